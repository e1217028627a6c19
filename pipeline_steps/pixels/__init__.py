"""How a file's bytes become pixels and masks, and what is measured on pixels alone."""
