"""Requests and responses by noun, as pydantic models with examples."""
