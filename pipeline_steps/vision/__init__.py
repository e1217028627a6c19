"""Supervised learning on images: networks, the one supervised loop, scores."""
