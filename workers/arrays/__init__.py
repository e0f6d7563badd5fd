"""Selection and training on arrays on disk: no database, no service."""
