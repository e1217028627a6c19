"""What is taken away from a finished run: images as a data set of their own, predictions as plain tables."""
