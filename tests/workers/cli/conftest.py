"""The command line against a real service."""

from tests.app.conftest import admin, http, make_client, port

__all__ = ["admin", "http", "make_client", "port"]
