"""Pages of items, found in a bounded time: where few of a large pool are wanted, in parts."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.db.queries import item_filters
from app.db.queries.item_filters import ItemFilter, ListedItem
from app.db.tables import Project, Split

WINDOWS = (2_000, 20_000, 60_000)  # items looked at by one statement; the last one again and again
LONGEST_SECONDS = 0.12


@dataclass(frozen=True)
class FoundItems:
    """A page of items.

    Attributes:
        items: the wanted ones, by index.
        next_index: where the search goes on; None: it is through.
        n_left: items of the split that were not looked at, as the time had run out; 0: a full
            page, or the end.
    """

    items: list[ListedItem]
    next_index: int | None
    n_left: int = 0


def search_items(  # noqa: PLR0913 - session and clock beside its own
    session: Session,
    project: Project,
    split: Split,
    page: tuple[int, int],
    wanted: ItemFilter,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> FoundItems:
    """Return the wanted items of a page: after this index, up to so many, or until time is up."""
    after, limit = page
    if wanted.is_of_few:
        found = item_filters.page(session, project.id, split, page, wanted)
        return FoundItems(found, found[-1].item.index if len(found) == limit else None)
    n_items = project.n_pool if split == Split.POOL else project.n_evaluation
    deadline = clock() + LONGEST_SECONDS
    ids: list[int] = []
    n_looks = 0
    while len(ids) < limit and after < n_items - 1 and (not n_looks or clock() < deadline):
        window = (after, after + WINDOWS[min(n_looks, len(WINDOWS) - 1)])
        ids += item_filters.ids_within(session, project.id, split, window, wanted, limit - len(ids))
        after, n_looks = window[1], n_looks + 1
    items = item_filters.of_ids(session, ids)
    if len(ids) == limit:
        return FoundItems(items, items[-1].item.index)
    n_left = max(0, n_items - 1 - after)
    return FoundItems(items, after if n_left else None, n_left)
