"""Stores imported items: skips known ones, and assigns dense indices under the project's lock."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.errors import UniqueViolation
from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import items as queries
from app.db.queries import projects
from app.db.tables import Project, Split
from app.domain.errors import ProjectNotAccepting
from app.domain.states import ProjectState
from app.services.import_counts import ImportCounts, LateAnswers, LateClass
from app.services.imported_labels import annotators_of, store_answers, take_late_answers
from app.services.late_classes import take_classes
from app.services.lifecycle import advance, free_expired
from app.services.packing import request_packing
from app.services.prepared_items import ItemIn, Prepared, prepare_items
from app.storage.artifacts import ArtifactStore
from models.scripts import is_without_spaces

IMPORTABLE_STATES = frozenset({ProjectState.DRAFT, ProjectState.RUNNING, ProjectState.PAUSED})


Fingerprint = tuple[object, ...]  # what must be equal for an item to be the same


def import_items(  # noqa: PLR0913, PLR0917 - session, store and settings beside its own
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


def store_items(
    session: Session,
    settings: Settings,
    project_id: int,
    prepared: Sequence[Prepared],
    counts: ImportCounts,
) -> Project:
    """Store the new ones of these in one transaction, adding to `counts`; return the project.

    A pool item that is known without a class and comes with one is updated: it gets an imported
    label, unless annotators are at it or labeled it otherwise. Answers by annotators that a known
    item lacks are added to it.

    Raises:
        ProjectNotAccepting: the project has ended.
    """
    project = projects.lock(session, project_id)
    if project.state not in IMPORTABLE_STATES:
        raise ProjectNotAccepting(f"Project {project_id} is {project.state} and takes no items.")
    refused = ImportCounts()
    prepared, annotators = annotators_of(session, project, prepared, refused)
    try:
        done = _store_new(session, project, prepared, {}, annotators)
    except UniqueViolation:  # most imports hold only new items, and need not look
        external_ids = [row["external_id"] for _, row in prepared]
        stored = queries.known_by_external_id(session, project_id, external_ids)
        known = {key: _fingerprint(vars(item)) for key, item in stored.items()}
        done = _store_new(session, project, prepared, known, annotators)
    done.add(refused)
    if done.late or done.late_answers:
        free_expired(session, project)
        _take_late_classes(session, project, done)
        take_late_answers(session, project, done, annotators)
    counts.add(done)
    if done.n_created:
        request_packing(session, project, settings.job_max_attempts)
    # A project whose pool was used up waits without a round; new items let it go on.
    advance(session, project, settings.job_max_attempts)
    return project


def _store_new(
    session: Session,
    project: Project,
    prepared: Sequence[Prepared],
    known: dict[str, Fingerprint],
    annotators: Mapping[str, int],
) -> ImportCounts:
    """Store the unknown items with their indices and labels; return the counts.

    `annotators` are ids by name of those whose answers the items bring.

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
            _note_known(counts, line, row)
        elif _is_late_class(row, known[external_id]):
            counts.late.append(LateClass(line, external_id, row["class_index"]))
        else:
            _refuse_conflict(counts, line, external_id)
    with session.begin_nested():
        queries.copy_in(session, rows)
    first = {Split.POOL: project.n_pool, Split.EVALUATION: project.n_evaluation}
    project.n_pool, project.n_evaluation = next_index[Split.POOL], next_index[Split.EVALUATION]
    n_labeled = sum(row["split"] == Split.POOL and row["class_index"] is not None for row in rows)
    if n_labeled:
        project.label_version += 1
        queries.resolve_imported(session, project.id, first[Split.POOL], project.label_version)
        project.n_imported += n_labeled
    counts.n_labels = store_answers(session, project, rows, first, annotators)
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


def _note_known(counts: ImportCounts, line: int, row: dict[str, Any]) -> None:
    """Count a known item, or keep the answers that it comes with until all lines are stored."""
    if row["answers"]:
        counts.late_answers.append(LateAnswers(line, row["external_id"], row["answers"]))
    else:
        counts.n_known += 1


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
    """Return whether the line is the known item, without naming its class."""
    return row["class_index"] is None and _fingerprint(row)[:3] == known[:3]


def _is_late_class(row: dict[str, Any], known: Fingerprint) -> bool:
    """Return whether the line is a known pool item with the class that it lacked."""
    is_same = _fingerprint(row)[:3] == known[:3] and row["split"] == Split.POOL
    return is_same and known[3] is None
