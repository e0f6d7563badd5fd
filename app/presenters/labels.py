"""Labels as the API and pages show them."""

from collections.abc import Sequence

from app.db.queries.exported_labels import ExportedLabel
from app.db.queries.labels import GivenLabel as StoredLabel
from app.schemas.labels import ExportedLabelOut, GivenLabel, LabelHistoryOut


def present_given_label(given: StoredLabel, classes: list[str]) -> GivenLabel:
    """Return an annotator's label with the name of its class."""
    return GivenLabel(
        annotator=given.annotator,
        class_=classes[given.label.class_index],
        is_flagged=given.label.is_flagged,
        is_excluded=given.label.is_excluded,
        is_adjudication=given.label.is_adjudication,
        is_imported=given.label.batch_item_id is None,
    )


def present_history(
    given: StoredLabel, classes: list[str], earlier: Sequence[int]
) -> LabelHistoryOut:
    """Return an annotator's label with the classes it had earlier."""
    return LabelHistoryOut(
        **present_given_label(given, classes).model_dump(),
        item_id=given.label.item_id,
        created_at=given.label.created_at,
        revised_at=given.label.revised_at,
        withdrawn_at=given.label.withdrawn_at,
        earlier_classes=[classes[c] for c in earlier],
    )


def present_exported_label(label: ExportedLabel, classes: list[str]) -> ExportedLabelOut:
    """Return a resolved label with the names of its classes."""
    return ExportedLabelOut(
        item_id=label.item_id,
        external_id=label.external_id,
        split=label.split,
        index=label.index,
        class_=classes[label.class_index],
        source=label.source,
        round=label.round_number,
        is_control=label.is_control,
        method=label.method,
        agreement=label.agreement,
        confidence=label.confidence,
        labels=[present_given_label(given, classes) for given in label.labels],
        flags=label.flags,
        resolved_at=label.resolved_at,
        metadata=label.metadata,
        text=label.content.text,
        image_uri=label.content.image_uri,
    )
