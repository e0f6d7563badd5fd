"""Items that a worker cannot read: the round continues without them.

Whoever packs a split calls `set_aside` with what it could not read, and packs zeros in its place,
so that the index stays dense. Once an item is taken back its row must be packed again.
"""

from collections.abc import Sequence

from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import set_aside as queries
from app.db.queries.set_aside import Unreadable
from app.db.session import transaction
from app.domain.errors import ArtifactMissing
from app.services.set_aside import set_items_aside

# More of what is read than this is no fault of items: a folder is not mounted, a host is away.
MOST_FRACTION = 0.5


def set_aside(
    factory: sessionmaker[Session],
    settings: Settings,
    project_id: int,
    unreadable: Sequence[Unreadable],
    n_read: int,
) -> None:
    """Set aside items among the `n_read` just read, in a separate transaction.

    Raises:
        ArtifactMissing: they are most of these, apart from those that are set aside already; none
            is set aside, and the job fails.
    """
    if not unreadable:
        return
    with transaction(factory) as session:
        known = queries.of_items(session, project_id, [item.item_id for item in unreadable])
    known_ids = {item.id for item in known}
    new = [item for item in unreadable if item.item_id not in known_ids]
    n_tried = n_read - len(known_ids)
    if len(new) > max(1, MOST_FRACTION * n_tried):
        raise ArtifactMissing(
            f"{len(new)} of {n_tried} items cannot be read, too many to go on without them: "
            f"{new[0].reason} Check the folders and hosts of the images, then retry."
        )
    if not new:
        return
    with transaction(factory) as session:
        set_items_aside(session, project_id, new, settings)


def set_aside_rows(factory: sessionmaker[Session], project_id: int, split: str) -> list[int]:
    """Return the indices of the split that are set aside, ascending; their rows may be zeros.

    A packed row of zeros that is not among them was taken back and must be read again.
    """
    with transaction(factory) as session:
        return queries.indices(session, project_id, split)
