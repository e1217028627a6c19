"""Measures of a set of generated images compared with real ones."""
