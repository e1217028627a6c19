"""What a set of generated images is: jobs, provenance, files, cards."""
