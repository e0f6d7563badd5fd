"""Labels that are likely wrong, as the API and pages show them."""

from app.db.queries.label_errors import SuspectedItem
from app.schemas.items import Content
from app.schemas.label_errors import SuspectedLabelOut
from app.services.image_urls import ImageUrls


def present_suspected(found: SuspectedItem, classes: list[str]) -> SuspectedLabelOut:
    """Return a suspected label with the names of its classes."""
    suspected = found.suspected
    return SuspectedLabelOut(
        rank=suspected.rank,
        item_id=suspected.item_id,
        external_id=found.external_id,
        index=found.index,
        class_=classes[suspected.class_index],
        suggested=classes[suspected.suggested_class],
        suggested_probability=suspected.suggested_probability,
        label_probability=suspected.label_probability,
        suspicion=suspected.suspicion,
        reasons=suspected.reasons,
        class_now=None if found.class_now is None else classes[found.class_now],
    )


def present_suspected_content(found: SuspectedItem, project_id: int, urls: ImageUrls) -> Content:
    """Return what an annotator saw of the item."""
    if found.text is not None:
        return Content(text=found.text)
    return Content(image_url=urls.of(project_id, found.suspected.item_id))
