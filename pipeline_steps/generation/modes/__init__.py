"""Ways to make images: a file each, with its parameters and what the rest of the house must know of it."""
