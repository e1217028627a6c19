"""Captions: what a training image is called, with its token and skin tone left open."""
