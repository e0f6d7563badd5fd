"""Items of an import, checked and their images read, before they are stored."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import structlog

from app.config import Settings
from app.db.tables import Project, Split
from app.domain.class_settings import offered_index, offered_names
from app.domain.consensus import majority
from app.domain.errors import InvalidName, ItemInvalid
from app.domain.item_metadata import checked_metadata
from app.domain.json_text import is_storable
from app.domain.names import normalised
from app.domain.quotes import listed, shown
from app.services.image_uris import read_image_uri
from app.services.images import ImageFacts, inspect_image
from app.services.import_counts import MAX_DETAIL, MAX_EXTERNAL_ID, ImportCounts
from app.storage.artifacts import ArtifactBatch, ArtifactStore
from app.storage.room import check_room

NO_IMAGE = MappingProxyType(
    dict.fromkeys(("content_hash", "image_uri", "width", "height", "channels"))
)


MAX_ANSWERS = 1000  # of an item


Prepared = tuple[int, dict[str, Any]]  # (line number, row of the table without its index)


class ItemIn(NamedTuple):
    """One item to import; exactly one of text, image_uri and image is set.

    `answers` are (annotator, class name) each; they come in place of `class_name`. `copies` stores
    the image that lies behind image_uri, which is then forgotten.
    """

    external_id: str
    split: Split = Split.POOL
    class_name: str | None = None
    text: str | None = None
    image_uri: str | None = None
    image: bytes | None = None
    metadata: Mapping[str, Any] | None = None
    copies: bool = False
    answers: Sequence[tuple[str, str]] = ()


def prepare_items(
    project: Project,
    store: ArtifactStore,
    settings: Settings,
    lines: Iterable[tuple[int, ItemIn]],
    counts: ImportCounts,
) -> list[Prepared]:
    """Return items for `store_items`, their images stored and inspected; refused lines are counted.

    Asks the database nothing: reading images from where they lie may take long.

    Raises:
        StorageFull: no room for an image, or a disk is nearly full.
    """
    check_room(settings)
    prepared: list[Prepared] = []
    with store.batch() as images:
        for line, item in lines:
            try:
                prepared.append((line, _row_of(project, item, images, settings)))
            except ItemInvalid as error:
                counts.refuse(line, item.external_id, error.item_code, error.detail)
    return prepared


def _row_of(
    project: Project, item: ItemIn, images: ArtifactBatch, settings: Settings
) -> dict[str, Any]:
    _check_external_id(item.external_id)
    content = checked_content(project, item, images, settings)
    index = None if item.class_name is None else _class_index(project, item.class_name)
    answers = _answers(project, item)
    if item.split is Split.EVALUATION:
        index = index if index is not None else majority([c for _, c in answers])
        if index is None:
            raise ItemInvalid(
                "evaluation_without_class",
                "Items of the evaluation split measure the models and must carry their class, or "
                "answers that agree on one.",
            )
    return {
        "project_id": project.id,
        "split": item.split.value,  # a plain str: the driver renders enums in Python
        "external_id": item.external_id,
        "class_index": index,
        "answers": answers,
        "metadata": checked_metadata(item.metadata),
        **content,
    }


def _class_index(project: Project, name: str) -> int:
    index = offered_index(project.classes, project.class_settings, name)
    if index is None:
        raise ItemInvalid(
            "unknown_class",
            f"There is no class {shown(name)}; use one of "
            f"{listed(offered_names(project.classes, project.class_settings))}.",
        )
    return index


def _answers(project: Project, item: ItemIn) -> list[tuple[str, int]]:
    """Return (annotator, class index) of the item's answers: the last of each annotator.

    Raises:
        ItemInvalid: a class is unknown, a name is none, there are too many, or a class is given,
            too.
    """
    if item.answers and item.class_name is not None:
        raise ItemInvalid(
            "class_and_labels", "Give either class or labels by annotator; they decide the class."
        )
    if len(item.answers) > MAX_ANSWERS:
        raise ItemInvalid(
            "too_many_labels",
            f"It has {len(item.answers)} labels; at most {MAX_ANSWERS} of an item are taken.",
        )
    found: dict[str, int] = {}
    for annotator, class_name in item.answers:
        try:
            name = normalised(annotator)
        except InvalidName as error:
            raise ItemInvalid("annotator_invalid", f"An annotator: {error.detail}") from None
        if not is_storable(name):
            raise ItemInvalid("annotator_invalid", "An annotator's name holds half a character.")
        found.pop(name, None)
        found[name] = _class_index(project, class_name)
    return list(found.items())


def _check_external_id(external_id: str) -> None:
    if not external_id.strip():
        raise ItemInvalid("external_id_missing", "Give each item an external_id of your own.")
    if not is_storable(external_id):
        raise ItemInvalid(
            "external_id_invalid",
            "The external_id holds a NUL character or half of a surrogate pair; remove it.",
        )
    if len(external_id) > MAX_EXTERNAL_ID:
        raise ItemInvalid(
            "external_id_too_long", f"An external_id has at most {MAX_EXTERNAL_ID} characters."
        )


def checked_content(
    project: Project, item: ItemIn, images: ArtifactBatch, settings: Settings
) -> dict[str, Any]:
    """Return the columns of an item's content, an image's bytes stored.

    Raises:
        ItemInvalid: it cannot be taken; the code says why.
    """
    if (item.text is not None) != (project.modality == "text"):
        raise ItemInvalid(
            "modality_mismatch",
            f"Project {project.id} takes {project.modality} items; this one is not.",
        )
    if item.text is not None:
        _check_text(item.text, settings)
        return {"text": item.text, **NO_IMAGE}
    data, facts = _read_image(item, settings)
    if item.image is None and not item.copies:
        digest = hashlib.sha256(data).hexdigest()
        return _image(digest, item.image_uri, facts)
    return _image(images.put(data), None, facts)


def _read_image(item: ItemIn, settings: Settings) -> tuple[bytes, ImageFacts]:
    """Return the bytes and facts of the item's image.

    Raises:
        ItemInvalid: whatever goes wrong: nothing that one item holds may stop the others.
    """
    try:
        data = item.image
        if data is None:
            data = read_image_uri(item.image_uri or "", settings)
        return data, inspect_image(data, settings)
    except ItemInvalid:
        raise
    except Exception as error:  # noqa: BLE001 - of URI parsers, file systems and decoders
        code = "image_not_decodable" if item.image is not None else "image_uri_invalid"
        reason = f"{type(error).__name__}: {error}"[:MAX_DETAIL]
        structlog.get_logger().warning("item.unreadable", code=code, reason=reason)
        raise ItemInvalid(
            code,
            f"The image cannot be read ({reason}); correct its address or send another file.",
        ) from None


def _image(digest: str, uri: str | None, facts: ImageFacts) -> dict[str, Any]:
    return {
        "text": None,
        "content_hash": digest,
        "image_uri": uri,
        "width": facts.width,
        "height": facts.height,
        "channels": facts.channels,
    }


def _check_text(text: str, settings: Settings) -> None:
    if not text or text.isspace():
        raise ItemInvalid("text_empty", "The text is empty; leave such items out.")
    if not is_storable(text):
        raise ItemInvalid(
            "text_invalid",
            "The text holds a NUL character or half of a surrogate pair; remove it.",
        )
    if 4 * len(text) <= settings.max_text_bytes:  # a character has at most 4 bytes
        return
    size_bytes = len(text.encode())
    if size_bytes > settings.max_text_bytes:
        raise ItemInvalid(
            "text_too_large",
            f"The text has {size_bytes} bytes; at most {settings.max_text_bytes} are taken. "
            "Cut it or split it into several items.",
        )
