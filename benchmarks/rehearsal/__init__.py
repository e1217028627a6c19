"""How the stages' cost grows with the number of images, at 512 pixels."""
