"""Measures and tests that know nothing of what is measured."""
