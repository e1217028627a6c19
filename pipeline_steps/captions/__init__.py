"""Captions: what a training image is called, with its token and level left open."""
