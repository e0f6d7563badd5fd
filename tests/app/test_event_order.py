"""Events and messages of a project become visible in the order of their ids."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import text

from app.config import Settings
from app.db.queries import events, projects
from app.db.session import transaction
from app.services import jobs
from svp_client import Client
from tests.app.test_event_streams import waits_for_lock
from tests.loop import Factory, claim_waiting, create_draft, give, poll, start_labeling
from tests.support import wait_for

URL = "https://example.org/events"


def visible(factory: Factory, table: str) -> list[int]:
    with transaction(factory) as session:
        return list(session.scalars(text(f"SELECT id FROM {table} ORDER BY id")))  # noqa: S608


@pytest.fixture
def beside(session_factory: Factory) -> Callable[[Callable[[], object]], threading.Thread]:
    """beside(use) -> a thread that does it; returns once it has ended or waits for a lock."""

    def begin(use: Callable[[], object]) -> threading.Thread:
        thread = threading.Thread(target=use)
        thread.start()
        wait_for(lambda: waits_for_lock(session_factory) or not thread.is_alive(), 10)
        return thread

    return begin


@pytest.mark.parametrize("commits", [True, False])
def test_no_later_id_is_visible_before_an_earlier_one(
    session_factory: Factory,
    text_project: int,
    admin: Client,
    beside: Callable[[Callable[[], object]], threading.Thread],
    *,
    commits: bool,
) -> None:
    webhook = admin.create_webhook(text_project, URL, ["item.flagged"])["id"]

    def append(n: int) -> None:
        with transaction(session_factory) as session:
            events.append(session, text_project, "item.flagged", {"n": n})

    before = visible(session_factory, "events")
    with session_factory() as slow:
        events.append(slow, text_project, "item.flagged", {"n": 1})
        later = beside(lambda: append(2))
        assert later.is_alive(), "it waits for the first one's end"
        assert visible(session_factory, "events") == before
        assert visible(session_factory, "webhook_deliveries") == []
        (slow.commit if commits else slow.rollback)()
    later.join(10)
    flagged = [e["facts"]["n"] for e in admin.events(text_project) if e["name"] == "item.flagged"]
    assert flagged == ([1, 2] if commits else [2])
    messages = admin.webhook_deliveries(text_project, webhook)
    told = [message["event_id"] or 0 for message in messages]
    assert told == sorted(told, reverse=True)
    assert len(told) == len(flagged)


def test_other_projects_do_not_wait(
    session_factory: Factory,
    text_project: int,
    beside: Callable[[Callable[[], object]], threading.Thread],
) -> None:
    with transaction(session_factory) as session:
        other = create_draft(session, "other").id

    def append() -> None:
        with transaction(session_factory) as session:
            events.append(session, other, "item.flagged", {})

    with session_factory() as slow:
        events.append(slow, text_project, "item.flagged", {})
        beside(append).join(10)
        assert len(visible(session_factory, "events")) >= 1


class TestClaims:
    @pytest.fixture
    def waiting(self, admin: Client, session_factory: Factory, settings: Settings) -> int:
        """A project whose job waits."""
        project = start_labeling(session_factory, settings, "p")
        give(admin, project, poll(admin, project, 2))
        return project

    def test_a_claims_event_comes_after_those_of_whoever_has_the_lock(
        self,
        waiting: int,
        admin: Client,
        session_factory: Factory,
        settings: Settings,
        beside: Callable[[Callable[[], object]], threading.Thread],
    ) -> None:
        found: list[object] = []
        with session_factory() as slow:
            projects.lock(slow, waiting)
            claiming = beside(
                lambda: found.append(claim_waiting(session_factory, settings, waiting))
            )
            assert claiming.is_alive()
            events.append(slow, waiting, "item.flagged", {})
            slow.commit()
        claiming.join(10)
        assert found != [None]
        names = [event["name"] for event in admin.events(waiting)]
        assert names[-2:] == ["item.flagged", "job.state_changed"]

    def test_it_is_given_up_where_the_lock_is_kept_and_won_later(
        self,
        waiting: int,
        session_factory: Factory,
        settings: Settings,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(jobs, "LOCK_SECONDS", 0.05)
        with session_factory() as slow:
            projects.lock(slow, waiting)
            assert claim_waiting(session_factory, settings, waiting) is None
        assert claim_waiting(session_factory, settings, waiting) is not None
