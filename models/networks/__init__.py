"""Networks, one family per module, and the function that builds them by name."""
