"""Networks that the claims are made on, with their images and weights."""
