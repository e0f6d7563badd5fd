"""The artifact store: files addressed by their SHA-256."""
