"""How fast the tap is, in ratios: `make bench`."""
