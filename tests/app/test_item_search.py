"""Pages of items that are found in parts, as of a large pool, hold what one search would find."""

from collections.abc import Callable

import pytest

from app.config import Settings
from app.db.queries import item_filters, projects
from app.db.queries.item_filters import ItemFilter, LabelingState
from app.db.session import transaction
from app.db.tables import Split
from app.services import item_search
from app.services.item_search import search_items
from tests.loop import Factory, create_draft, import_texts, start_labeling

N = 40


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at a few items at a time."""
    monkeypatch.setattr(item_search, "WINDOWS", (3, 7))


def found_by_pages(
    factory: Factory, project: int, wanted: ItemFilter, clock: Callable[[], float]
) -> tuple[list[str], int]:
    """Return the external ids of all pages, and how many pages there were."""
    ids: list[str] = []
    after, n_pages = -1, 0
    while True:
        n_pages += 1
        with transaction(factory) as session:
            found = search_items(
                session, projects.get(session, project), Split.POOL, (after, 4), wanted, clock=clock
            )
            ids += [one.item.external_id for one in found.items]
        if found.next_index is None:
            assert found.n_left == 0
            return ids, n_pages
        assert found.next_index > after
        assert len(found.items) == 4 or found.n_left == N - 1 - found.next_index
        after = found.next_index


@pytest.mark.parametrize(
    "wanted",
    [
        ItemFilter(),
        ItemFilter(search="-3"),
        ItemFilter(search="p-39"),
        ItemFilter(search="nowhere"),
        ItemFilter(state=LabelingState.UNLABELED),
        ItemFilter(state=LabelingState.OPEN),
        ItemFilter(is_gold=False),
    ],
    ids=str,
)
@pytest.mark.parametrize("seconds", [0.0, 10.0], ids=["in time", "time is up at once"])
def test_the_pages_hold_every_wanted_item_once(
    session_factory: Factory, settings: Settings, wanted: ItemFilter, seconds: float
) -> None:
    project = start_labeling(session_factory, settings, "p", N, initial_budget=5, total_budget=20)
    now = [0.0]

    def clock() -> float:
        now[0] += seconds
        return now[0]

    with transaction(session_factory) as session:
        whole = item_filters.page(session, project, Split.POOL, (-1, N), wanted)
        expected = [one.item.external_id for one in whole]
    found, n_pages = found_by_pages(session_factory, project, wanted, clock)
    assert found == expected
    if not seconds:
        assert n_pages <= len(expected) // 4 + 1


def test_an_empty_pool_is_searched_through(session_factory: Factory, settings: Settings) -> None:
    with transaction(session_factory) as session:
        project = create_draft(session)
        import_texts(session, settings, project.id, ["e"], Split.EVALUATION, "a")
        found = search_items(session, project, Split.POOL, (-1, 4), ItemFilter(search="e"))
    assert (found.items, found.next_index, found.n_left) == ([], None, 0)
