"""What a run would meet, before it starts: rows, pixels, methods that fit, and what it would cost."""
