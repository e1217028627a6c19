"""Two experiments side by side: what was changed between them, and what it did."""
