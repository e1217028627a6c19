"""Measures of predicted masks beside real ones."""
