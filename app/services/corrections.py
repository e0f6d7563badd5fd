"""Corrects the content of an item: its labels are asked again, for they are of what it was."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import (
    erasures,
    events,
    gold,
    imported_labels,
    models,
    projects,
    set_aside,
)
from app.db.tables import Item, Project, Split
from app.domain.errors import NotFound, ProjectNotAccepting
from app.domain.states import BatchItemState
from app.services.answers import NOBODY, read_answers
from app.services.erasures import withdraw_from_batches
from app.services.items import IMPORTABLE_STATES
from app.services.leases import after_freeing, release_expired
from app.services.packing import request_packing
from app.services.requeue import requeue


def correct_item(
    session: Session,
    project_id: int,
    item_id: int,
    content: Mapping[str, Any],
    settings: Settings,
) -> Item:
    """Give an item another content and return it; the same content changes nothing.

    A pool item's labels are withdrawn (they stay as history) and asked again; one that was imported
    is forgotten, and it is no longer gold. Models that learned its label are stale. An evaluation
    item keeps its class.

    Args:
        session: in a transaction that the caller commits.
        project_id: of the project.
        item_id: of the item.
        content: its new columns (services.prepared_items.checked_content).
        settings: of this machine.

    Raises:
        NotFound: no such item, or it was erased.
        ProjectNotAccepting: labeling has ended.
    """
    project = projects.lock(session, project_id)
    found = erasures.of_project(session, project_id, [item_id])
    if not found:
        raise NotFound("item", item_id)
    if project.state not in IMPORTABLE_STATES:
        raise ProjectNotAccepting(
            f"Project {project_id} is {project.state}: nobody would label the item again. Reopen "
            "the project first."
        )
    item = found[0]
    if (item.text, item.content_hash) == (content["text"], content["content_hash"]):
        return item
    release_expired(session, project, settings)
    if item.split == Split.POOL:
        _ask_again(session, project, item, settings)
    erasures.discard_content(session, [item_id])
    for column, value in content.items():
        setattr(item, column, value)
    session.flush()
    set_aside.remove(session, project_id, [item_id])  # tried again when it is packed
    project.erased_at = func.now()
    events.append(session, project_id, "item.corrected", {"item": item_id})
    request_packing(session, project, settings.job_max_attempts)
    after_freeing(session, project, settings)
    return item


def _ask_again(session: Session, project: Project, item: Item, settings: Settings) -> None:
    """Withdraw the item's labels; what was handed out is handed out again, the rest is pool."""
    gold.release_items(session, [item.id])
    gold.remove(session, project.id, [item.id])
    requeue(session, project, [item.id], settings)
    answers = read_answers(session, project, NOBODY, [item.id], settings, ())
    for batch_item, _ in answers.state.live.values():
        if batch_item.state == BatchItemState.SKIPPED:  # what it was could not be labeled
            withdraw_from_batches(answers)
    answers.write()
    imported_labels.withdraw(session, [item.id])
    version = erasures.forget_resolved(session, project, [item.id])  # an imported one
    if version is not None:
        models.mark_stale(session, project.id, version)
    item.class_index = None
