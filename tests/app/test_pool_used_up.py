"""A pool of which no item can be labeled: annotators and admins are told, and finish ends it."""

from typing import Any

import pytest

from app.config import Settings
from app.db.queries.invariants import find_violations
from app.db.queries.set_aside import Unreadable
from app.db.session import transaction
from app.services.set_aside import set_items_aside
from svp_client import Client, ClientError
from tests.loop import Factory, ids, import_texts, publish_in_order, start_labeling


@pytest.fixture
def project(session_factory: Factory, settings: Settings) -> int:
    """Two items, of which both are in the batch."""
    return start_labeling(session_factory, settings, "p", 2, total_budget=2)


def skip_all(admin: Client, project: int) -> None:
    items = admin.next_batch(project, 10)["items"]
    admin.skip(project, [item["item_id"] for item in items], "other")


def told(admin: Client, project: int) -> list[dict[str, Any]]:
    events = admin.request("GET", f"/projects/{project}/events").json()["events"]
    return [event["facts"] for event in events if event["name"] == "project.pool_used_up"]


def test_when_every_item_is_skipped_polls_say_so_and_admins_are_told_once(
    admin: Client, project: int, session_factory: Factory
) -> None:
    skip_all(admin, project)
    for _ in range(2):
        answer = admin.next_batch(project, 1)
        assert (answer["state"], answer["waiting_for"]) == ("running", "pool_used_up")
    assert told(admin, project) == [{"n_pool": 2, "n_skipped": 2, "n_set_aside": 0}]
    with transaction(session_factory) as session:
        assert list(find_violations(session)) == []


def test_when_the_rest_cannot_be_read_polls_say_so(
    admin: Client, session_factory: Factory, settings: Settings
) -> None:
    project = start_labeling(session_factory, settings, "p", 4, total_budget=4, reserve=0)
    skip_all(admin, project)
    left = [Unreadable(i, "Gone.") for i in ids(session_factory, project, 0, 1, 2, 3)]
    with transaction(session_factory) as session:
        set_items_aside(session, project, left, settings)
    publish_in_order(session_factory, settings, project, 4)
    assert admin.next_batch(project, 1)["waiting_for"] == "pool_used_up"


def test_finish_ends_it_without_a_target(
    admin: Client, project: int, session_factory: Factory
) -> None:
    skip_all(admin, project)
    finished = admin.request("POST", f"/projects/{project}/finish").json()
    assert finished["state"] == "finished"
    assert finished["finished_at"] is not None
    with transaction(session_factory) as session:
        assert list(find_violations(session)) == []


def test_while_something_can_be_labeled_finish_still_wants_a_label(
    admin: Client, project: int
) -> None:
    with pytest.raises(ClientError) as refusal:
        admin.request("POST", f"/projects/{project}/finish")
    assert refusal.value.code == "project_not_accepting"


def test_with_a_label_at_hand_the_target_is_trained_and_the_event_says_why(
    admin: Client, session_factory: Factory, settings: Settings
) -> None:
    project = start_labeling(session_factory, settings, "p", 3, total_budget=3, reserve=0)
    first, *_ = admin.next_batch(project, 1)["items"]
    admin.submit_labels(project, [{"item_id": first["item_id"], "class": "a"}])
    skip_all(admin, project)
    publish_in_order(session_factory, settings, project, 3)
    skip_all(admin, project)
    events = admin.request("GET", f"/projects/{project}/events").json()["events"]
    (ended,) = [e["facts"] for e in events if e["facts"].get("to") == "training_target"]
    assert ended["reason"] == "pool used up"


def test_new_items_let_it_go_on(
    admin: Client, project: int, session_factory: Factory, settings: Settings
) -> None:
    skip_all(admin, project)
    with transaction(session_factory) as session:
        import_texts(session, settings, project, ["new"])
    assert admin.next_batch(project, 1)["waiting_for"] == "selection"
