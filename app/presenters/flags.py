"""Flags as the API and pages show them."""

from app.db.tables import ItemFlag
from app.schemas.flags import FlagOut


def present_flag(flag: ItemFlag, annotator: str) -> FlagOut:
    """Return the flag with the name of who set it."""
    return FlagOut(
        id=flag.id,
        item_id=flag.item_id,
        annotator=annotator,
        comment=flag.comment,
        created_at=flag.created_at,
        closed_at=flag.closed_at,
    )
