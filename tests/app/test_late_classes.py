"""Items known without a class that are imported again with one."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.config import Settings
from svp_client import Client
from tests.loop import Factory, start_labeling

N_ITEMS = 12
pytestmark = pytest.mark.usefixtures("promises")


@pytest.fixture
def project(session_factory: Factory, settings: Settings) -> int:
    """Items p-0 to p-3 are the batch, p-4 and p-5 its reserve; the rest is the pool."""
    return start_labeling(
        session_factory,
        settings,
        "p",
        N_ITEMS,
        initial_budget=4,
        round_budget=4,
        total_budget=8,
        reserve=2,
    )


@pytest.fixture
def ada(make_client: Callable[..., Client], project: int) -> Client:
    return make_client("ada", project_id=project)


def imported(admin: Client, project: int, classes: dict[int, str | None]) -> dict[str, Any]:
    """Import items by number with these classes."""
    lines = [
        {"external_id": f"p-{i}", "text": f"text p-{i}", **({"class": c} if c else {})}
        for i, c in classes.items()
    ]
    return dict(admin.import_items(project, lines))


def counts(result: dict[str, Any]) -> tuple[int, ...]:
    return tuple(result[f"n_{name}"] for name in ("created", "updated", "known", "failed"))


def codes(result: dict[str, Any]) -> list[str]:
    return [entry["code"] for entry in result["errors"]]


def numbers(client: Client, project: int, size: int) -> list[str]:
    return [item["external_id"] for item in client.next_batch(project, size)["items"]]


def test_items_of_the_pool_get_an_imported_label(admin: Client, project: int) -> None:
    assert counts(imported(admin, project, {10: "a", 11: "b"})) == (0, 2, 0, 0)
    found = admin.project(project)
    assert (found["n_imported"], found["n_labeled"], found["n_pool"]) == (2, 0, N_ITEMS)
    rows = {row["external_id"]: row for row in admin.export_labels(project)}
    assert {key: (row["class"], row["source"]) for key, row in rows.items()} == {
        "p-10": ("a", "import"),
        "p-11": ("b", "import"),
    }
    assert counts(imported(admin, project, {10: "a", 11: "b"})) == (0, 0, 2, 0)
    assert codes(imported(admin, project, {10: "b"})) == ["external_id_conflict"]


def test_a_line_without_a_class_says_nothing_of_it(admin: Client, project: int) -> None:
    imported(admin, project, {10: "a"})
    assert counts(imported(admin, project, {10: None})) == (0, 0, 1, 0)


def test_what_waits_in_a_batch_leaves_it_and_the_reserve_takes_its_place(
    admin: Client, ada: Client, project: int
) -> None:
    assert counts(imported(admin, project, {0: "a", 4: "a"})) == (0, 2, 0, 0)
    assert numbers(ada, project, 10) == ["p-1", "p-2", "p-3", "p-5"]


def test_what_annotators_hold_labeled_or_skipped_is_refused_with_a_code(
    admin: Client, ada: Client, project: int
) -> None:
    items = ada.next_batch(project, 3)["items"]
    ada.submit_labels(project, [{"item_id": items[0]["item_id"], "class": "a"}])
    ada.skip(project, [items[1]["item_id"]], "other")
    assert codes(imported(admin, project, {0: "b", 1: "b", 2: "b"})) == [
        "already_labeled",
        "already_skipped",
        "in_work",
    ]
    assert counts(imported(admin, project, {0: "a"})) == (0, 0, 1, 0)
    assert admin.project(project)["n_imported"] == 0


def test_a_batch_that_loses_its_last_items_is_complete(admin: Client, project: int) -> None:
    imported(admin, project, {i: "ab"[i % 2] for i in range(6)})
    found = admin.project(project)
    assert admin.rounds(project)[-1]["number"] == 1
    assert (found["n_imported"], found["n_labeled"]) == (6, 0)


def test_imports_and_polls_at_once_never_both_get_an_item(
    admin: Client, make_client: Callable[..., Client], project: int
) -> None:
    people = [make_client(f"person {i}", project_id=project) for i in range(4)]
    barrier = threading.Barrier(5)

    def poll(client: Client) -> list[str]:
        barrier.wait(20)
        return numbers(client, project, 1)

    def bring() -> dict[str, Any]:
        barrier.wait(20)
        return imported(admin, project, dict.fromkeys(range(4), "a"))

    with ThreadPoolExecutor(5) as pool:
        result = pool.submit(bring)
        held = [name for got in pool.map(poll, people) for name in got]
    refused = {entry["external_id"] for entry in result.result()["errors"]}
    assert refused == set(held) & {f"p-{i}" for i in range(4)}
    assert len(held) == len(set(held))
