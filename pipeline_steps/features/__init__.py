"""Feature extractors, distances between feature distributions, nearest neighbours."""
