"""Every SQL statement, by noun; functions never commit."""
