"""Latent diffusion: objectives, families, conditioning, adapters, the one training loop, sampling."""
