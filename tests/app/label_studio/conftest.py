"""A fake Label Studio, and projects that are connected with it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries.invariants import find_violations
from app.db.session import transaction
from tests.label_studio.bridge import Bridge
from tests.label_studio.fake import Fake, serve_fake
from tests.loop import start_labeling

MakeBridge = Callable[..., Bridge]


@pytest.fixture
def fake() -> Iterator[Fake]:
    """A running fake."""
    with serve_fake() as fake:
        yield fake


@pytest.fixture
def make_bridge(
    fake: Fake, session_factory: sessionmaker[Session], settings: Settings
) -> Iterator[MakeBridge]:
    """make_bridge(**settings of the project) -> it connected; the database keeps its promises."""

    def make(*, connected: bool = True, **given: Any) -> Bridge:
        project = start_labeling(session_factory, settings, "p", **given)
        bridge = Bridge(session_factory, settings, fake, project)
        if connected:
            bridge.connect()
        return bridge

    yield make
    with transaction(session_factory) as session:
        assert list(find_violations(session)) == []


@pytest.fixture
def bridge(make_bridge: MakeBridge) -> Bridge:
    """A connected project of ten texts, of which two are in the batch and two in the reserve."""
    return make_bridge()
