"""Clients of other tools. They know no web, database or settings."""
