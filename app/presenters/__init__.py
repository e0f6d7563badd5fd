"""Rows as the API and the pages show them: between services and routes."""
