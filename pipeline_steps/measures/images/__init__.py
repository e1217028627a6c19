"""Measures of a set of generated images beside real ones."""
