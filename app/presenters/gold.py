"""Gold items as the API and pages show them."""

from app.db.queries.gold import GoldSummary
from app.schemas.gold import GoldItemOut


def present_gold_item(entry: GoldSummary, classes: list[str]) -> GoldItemOut:
    """Return the gold item with the name of its class and how it was answered."""
    return GoldItemOut(
        item_id=entry.item.id,
        external_id=entry.item.external_id,
        class_=classes[entry.class_index],
        n_answers=entry.n_answers,
        n_right=entry.n_right,
    )
