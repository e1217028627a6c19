"""What a row of data is: images, colours, skin types, manifests."""
