"""Images edited by a service elsewhere."""
