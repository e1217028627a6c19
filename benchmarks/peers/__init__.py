"""This project beside its peers on a CPU, in one run."""
