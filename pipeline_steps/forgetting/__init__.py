"""What is derived from an image, by what DVC recorded; read by ``forget`` alone."""
