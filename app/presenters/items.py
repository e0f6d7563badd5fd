"""Items as the API and pages show them."""

from app.db.queries.item_filters import ListedItem
from app.db.queries.leases import ShownItem
from app.db.tables import ConsensusSource, Item, Project, Split
from app.schemas.items import AnnotatorItemOut, Content, ItemOut, ListedItemOut
from app.services.image_urls import ImageUrls


def content_of(item: Item | ShownItem, urls: ImageUrls) -> Content:
    """Return the part of the item that an annotator sees."""
    if item.text is not None:
        return Content(text=item.text)
    return Content(image_url=urls.of(item.project_id, item.id))


def present_item(item: Item, project: Project, urls: ImageUrls) -> ItemOut:
    """Return all of the item, for admins."""
    has_class = item.class_index is not None
    return ItemOut(
        item_id=item.id,
        external_id=item.external_id,
        split=Split(item.split),
        index=item.index,
        content=content_of(item, urls),
        class_=project.classes[item.class_index or 0] if has_class else None,
        metadata=item.metadata_ or {},
        erased_at=item.erased_at,
    )


def present_listed(found: ListedItem, project: Project, urls: ImageUrls) -> ListedItemOut:
    """Return the item with what is known of it."""
    resolved, batch_item = found.resolved, found.batch_item

    def name(index: int | None) -> str | None:
        return None if index is None else project.classes[index]

    return ListedItemOut(
        **present_item(found.item, project, urls).model_dump(),
        state=found.state,
        label=name(resolved.class_index) if resolved else None,
        method=ConsensusSource(resolved.method) if resolved else None,
        agreement=resolved.agreement if resolved else None,
        confidence=resolved.confidence if resolved else None,
        n_labels=found.n_labels,
        round=found.round_number,
        score=batch_item.score if batch_item else None,
        suggestion=name(batch_item.suggestion_class) if batch_item else None,
        gold_class=name(found.gold_class),
        is_control=batch_item is not None and batch_item.is_control,
        is_flagged=found.is_flagged,
        is_disputed=found.is_disputed,
    )


def present_item_to_annotator(item: Item, urls: ImageUrls) -> AnnotatorItemOut:
    """Return what annotators see of the item."""
    return AnnotatorItemOut(
        item_id=item.id, external_id=item.external_id, content=content_of(item, urls)
    )
