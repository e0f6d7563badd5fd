"""Items as the API and pages show them."""

from app.db.queries.leases import ShownItem
from app.db.tables import Item, Project, Split
from app.schemas.items import AnnotatorItemOut, Content, ItemOut
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
    )


def present_item_to_annotator(item: Item, urls: ImageUrls) -> AnnotatorItemOut:
    """Return what annotators see of the item."""
    return AnnotatorItemOut(
        item_id=item.id, external_id=item.external_id, content=content_of(item, urls)
    )
