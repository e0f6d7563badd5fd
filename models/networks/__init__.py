"""Networks, one family a module, and what builds them by name."""
