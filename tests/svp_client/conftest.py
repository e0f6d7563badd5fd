"""The real application behind the client, as in tests/app, and both clients on prepared answers."""

import pytest

from tests.app.conftest import admin, http, make_client, text_project
from tests.svp_client.ask import Ask, ask_async, ask_sync

__all__ = ["admin", "http", "make_client", "text_project"]


@pytest.fixture(params=[ask_sync, ask_async], ids=["Client", "AsyncClient"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Asks a method of one of the two clients: ask(answer, method, *args)."""
    asks: Ask = request.param
    return asks
