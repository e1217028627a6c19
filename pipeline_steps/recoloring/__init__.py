"""Ways to make images of other skin without a model."""
