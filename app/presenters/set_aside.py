"""Items that are set aside, as the API and pages show them."""

from app.db.tables import Item, SetAsideItem, Split
from app.schemas.set_aside import SetAsideOut


def present_set_aside(item: Item, row: SetAsideItem) -> SetAsideOut:
    """Return the item with the reason why it is set aside."""
    return SetAsideOut(
        item_id=item.id,
        external_id=item.external_id,
        split=Split(item.split),
        index=item.index,
        image_uri=item.image_uri,
        reason=row.reason,
        set_aside_at=row.set_aside_at,
    )
