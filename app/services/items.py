"""Importing items: each line checked, known ones left alone, dense indices under the lock."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import structlog
from psycopg.errors import UniqueViolation
from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import items as queries
from app.db.queries import projects
from app.db.tables import Item, Project, Split
from app.domain.errors import ArtifactMissing, ItemInvalid, ProjectNotAccepting
from app.domain.json_text import is_storable
from app.domain.names import class_index
from app.domain.naming import listed, shown
from app.domain.states import ProjectState
from app.services.image_uris import read_image_uri
from app.services.images import ImageFacts, inspect_image
from app.services.late_classes import take_classes
from app.services.lifecycle import advance, free_expired
from app.storage.artifacts import ArtifactBatch, ArtifactStore
from app.storage.room import check_room
from models.scripts import is_without_spaces

IMPORTABLE_STATES = frozenset({ProjectState.DRAFT, ProjectState.RUNNING, ProjectState.PAUSED})
MAX_EXTERNAL_ID = 512
MAX_ERRORS = 1000
MAX_DETAIL = 1000
NO_IMAGE = MappingProxyType(
    dict.fromkeys(("content_hash", "image_uri", "width", "height", "channels"))
)
Prepared = tuple[int, dict[str, Any]]  # (line number, row of the table without its index)
Fingerprint = tuple[object, ...]  # what must be equal for an item to be the same


class ItemIn(NamedTuple):
    """One item as it is handed in; exactly one of text, image_uri and image is set."""

    external_id: str
    split: Split = Split.POOL
    class_name: str | None = None
    text: str | None = None
    image_uri: str | None = None
    image: bytes | None = None


@dataclass(frozen=True)
class RefusedLine:
    """Why one line or file was not taken."""

    line: int
    external_id: str | None
    code: str
    detail: str


@dataclass(frozen=True)
class LateClass:
    """A class that a line brings for an item known without one."""

    line: int
    external_id: str
    class_index: int


@dataclass
class ImportCounts:
    """Counts of an import so far; `late` are lines that are yet to be decided."""

    n_created: int = 0
    n_updated: int = 0
    n_known: int = 0
    n_failed: int = 0
    n_without_spaces: int = 0
    errors: list[RefusedLine] = field(default_factory=list)
    late: list[LateClass] = field(default_factory=list)

    def refuse(self, line: int, external_id: str | None, code: str, detail: str) -> None:
        """Count a refused line; the first 1,000 are kept with their reasons, cut."""
        self.n_failed += 1
        if self.keeps_reasons:
            named = None if external_id is None else external_id[:MAX_EXTERNAL_ID]
            self.errors.append(RefusedLine(line, named, code, detail[:MAX_DETAIL]))

    @property
    def keeps_reasons(self) -> bool:
        """Whether a reason would be kept; those of the first 1,000 are."""
        return len(self.errors) < MAX_ERRORS

    def why(self) -> str:
        """Return where and why a line was refused first."""
        if not self.errors:
            return "they conflict with known items."
        first = self.errors[0]
        return f"the first is line {first.line}: {first.detail}"

    def add(self, other: "ImportCounts") -> None:
        """Add what another part of the same import did."""
        self.n_created += other.n_created
        self.n_updated += other.n_updated
        self.n_known += other.n_known
        self.n_failed += other.n_failed
        self.n_without_spaces += other.n_without_spaces
        self.errors = sorted(self.errors + other.errors, key=lambda fault: fault.line)[:MAX_ERRORS]


def import_items(
    session: Session,
    store: ArtifactStore,
    settings: Settings,
    project_id: int,
    lines: Sequence[tuple[int, ItemIn]],
    counts: ImportCounts,
) -> None:
    """Import (line number, item) in one transaction, adding to `counts`.

    Importing again changes nothing. Images are inspected before the project is locked.

    Raises:
        ProjectNotAccepting: the project has ended.
        StorageFull: no room for an image; nothing is kept.
    """
    project = projects.get(session, project_id)
    prepared = prepare_items(project, store, settings, lines, counts)
    store_items(session, settings, project_id, prepared, counts)


def prepare_items(
    project: Project,
    store: ArtifactStore,
    settings: Settings,
    lines: Iterable[tuple[int, ItemIn]],
    counts: ImportCounts,
) -> list[Prepared]:
    """Return what `store_items` takes, images stored and inspected; refused lines are counted.

    Asks the database nothing: reading images from where they lie may take long.

    Raises:
        StorageFull: no room for an image, or a disk is nearly full.
    """
    check_room(settings)
    prepared: list[Prepared] = []
    with store.batch() as images:
        for line, item in lines:
            try:
                prepared.append((line, _prepare(project, item, images, settings)))
            except ItemInvalid as error:
                counts.refuse(line, item.external_id, error.item_code, error.detail)
    return prepared


def store_items(
    session: Session,
    settings: Settings,
    project_id: int,
    prepared: Sequence[Prepared],
    counts: ImportCounts,
) -> Project:
    """Store what is new of these in one transaction, adding to `counts`; return the project.

    A pool item that is known without a class and comes with one is updated: it gets an imported
    label, unless annotators are at it or labeled it otherwise.

    Raises:
        ProjectNotAccepting: the project has ended.
    """
    project = projects.lock(session, project_id)
    if project.state not in IMPORTABLE_STATES:
        raise ProjectNotAccepting(f"Project {project_id} is {project.state} and takes no items.")
    try:
        done = _store_new(session, project, prepared, {})
    except UniqueViolation:  # most imports hold only new items, and need not look
        external_ids = [row["external_id"] for _, row in prepared]
        stored = queries.known_by_external_id(session, project_id, external_ids)
        known = {key: _fingerprint(vars(item)) for key, item in stored.items()}
        done = _store_new(session, project, prepared, known)
    if done.late:
        free_expired(session, project)
        _take_late_classes(session, project, done)
    counts.add(done)
    # A project whose pool was used up waits without a round; new items let it go on.
    advance(session, project, settings.job_max_attempts)
    return project


def read_image(store: ArtifactStore, settings: Settings, item: Item | queries.ItemContent) -> bytes:
    """Return the bytes of an image item, from the store or its URI.

    Raises:
        ArtifactMissing: they are gone, or not what was imported.
    """
    if item.content_hash is None:
        raise ArtifactMissing(f"Item {item.id} is a text and has no image.")
    if item.image_uri is None:
        return store.get(item.content_hash)
    try:
        data = read_image_uri(item.image_uri, settings)
    except ItemInvalid as error:
        raise ArtifactMissing(f"The image of item {item.id} is gone: {error.detail}") from None
    if hashlib.sha256(data).hexdigest() != item.content_hash:
        raise ArtifactMissing(
            f"The file behind {item.image_uri} has changed since item {item.id} was imported; "
            "put the old file back or import the new one under another external_id."
        )
    return data


def _prepare(
    project: Project, item: ItemIn, images: ArtifactBatch, settings: Settings
) -> dict[str, Any]:
    _check_external_id(item.external_id)
    content = _check_content(project, item, images, settings)
    index = None
    if item.class_name is not None:
        index = class_index(project.classes, item.class_name)
        if index is None:
            raise ItemInvalid(
                "unknown_class",
                f"There is no class {shown(item.class_name)}; use one of "
                f"{listed(project.classes)}.",
            )
    elif item.split is Split.EVALUATION:
        raise ItemInvalid(
            "evaluation_without_class",
            "Items of the evaluation split measure the models and must carry their class.",
        )
    return {
        "project_id": project.id,
        "split": item.split.value,  # a plain str: the driver renders enums in Python
        "external_id": item.external_id,
        "class_index": index,
        **content,
    }


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


def _check_content(
    project: Project, item: ItemIn, images: ArtifactBatch, settings: Settings
) -> dict[str, Any]:
    if (item.text is not None) != (project.modality == "text"):
        raise ItemInvalid(
            "modality_mismatch",
            f"Project {project.id} takes {project.modality} items; this one is not.",
        )
    if item.text is not None:
        _check_text(item.text, settings)
        return {"text": item.text, **NO_IMAGE}
    data, facts = _read_image(item, settings)
    if item.image is None:
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


def _store_new(
    session: Session,
    project: Project,
    prepared: Sequence[Prepared],
    known: dict[str, Fingerprint],
) -> ImportCounts:
    """Store the items that are not known, with their indices and labels; return what was done.

    Raises:
        UniqueViolation: one is stored that `known` does not hold; nothing was changed.
    """
    counts = ImportCounts()
    next_index = {Split.POOL: project.n_pool, Split.EVALUATION: project.n_evaluation}
    known, rows = dict(known), []
    for line, row in prepared:
        external_id, fingerprint = row["external_id"], _fingerprint(row)
        if external_id not in known:
            known[external_id] = fingerprint
            split = row["split"]
            row["index"] = next_index[split]
            next_index[split] += 1
            rows.append(row)
            counts.n_created += 1
            counts.n_without_spaces += is_without_spaces(row["text"] or "")
        elif known[external_id] == fingerprint or _says_less(row, known[external_id]):
            counts.n_known += 1
        elif _is_late_class(row, known[external_id]):
            counts.late.append(LateClass(line, external_id, row["class_index"]))
        else:
            _refuse_conflict(counts, line, external_id)
    with session.begin_nested():
        queries.copy_in(session, rows)
    first_pool_index = project.n_pool
    project.n_pool, project.n_evaluation = next_index[Split.POOL], next_index[Split.EVALUATION]
    n_labeled = sum(row["split"] == Split.POOL and row["class_index"] is not None for row in rows)
    if n_labeled:
        project.label_version += 1
        queries.resolve_imported(session, project.id, first_pool_index, project.label_version)
        project.n_imported += n_labeled
    return counts


def _take_late_classes(session: Session, project: Project, counts: ImportCounts) -> None:
    """Decide the late lines of an import: each item's first, the others must agree with it."""
    wanted: dict[str, LateClass] = {}
    for late in counts.late:
        first = wanted.setdefault(late.external_id, late)
        if first is not late and first.class_index == late.class_index:
            counts.n_known += 1
        elif first is not late:
            _refuse_conflict(counts, late.line, late.external_id)
    ids = {
        key: item.id
        for key, item in queries.known_by_external_id(session, project.id, list(wanted)).items()
    }
    classes = {ids[late.external_id]: late.class_index for late in wanted.values()}
    n_updated, refused = take_classes(session, project, classes)
    for late in wanted.values():
        refusal = refused.get(ids[late.external_id])
        if refusal is not None:
            counts.refuse(late.line, late.external_id, refusal.code, refusal.detail)
    counts.n_updated += n_updated
    counts.n_known += len(wanted) - n_updated - len(refused)
    counts.late.clear()


def _refuse_conflict(counts: ImportCounts, line: int, external_id: str) -> None:
    counts.refuse(
        line,
        external_id,
        "external_id_conflict",
        "This external_id is taken by an item with other content, split or class; "
        "give the new item another one.",
    )


def _fingerprint(row: dict[str, Any]) -> Fingerprint:
    return row["text"], row["content_hash"], row["split"], row["class_index"]


def _says_less(row: dict[str, Any], known: Fingerprint) -> bool:
    """Return whether the line is the known item without its class: it says nothing of that."""
    return row["class_index"] is None and _fingerprint(row)[:3] == known[:3]


def _is_late_class(row: dict[str, Any], known: Fingerprint) -> bool:
    """Return whether the line is a known pool item with the class that it lacked."""
    is_same = _fingerprint(row)[:3] == known[:3] and row["split"] == Split.POOL
    return is_same and known[3] is None
