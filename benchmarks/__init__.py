"""Measurements with a page of results each, one command a page."""
