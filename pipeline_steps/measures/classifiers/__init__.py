"""Measures of a classifier on a test partition."""
