"""Rounds as the API and pages show them."""

from app.db.tables import BatchItem, BatchSource, Item
from app.domain.states import BatchItemState
from app.schemas.rounds import SelectedItem


def present_selected_item(selected: BatchItem, item: Item) -> SelectedItem:
    """Return an item that a round selected, with its place and score."""
    return SelectedItem(
        item_id=item.id,
        external_id=item.external_id,
        index=item.index,
        rank=selected.rank,
        source=BatchSource(selected.source),
        score=selected.score,
        is_control=selected.is_control,
        state=BatchItemState(selected.state),
    )
