"""From profiles to checked ``params.yaml`` and ``cells.yaml``: what those commands and their check share."""
