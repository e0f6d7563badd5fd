"""Imports that a worker does: asked for, cancelled, and taken piece by piece."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import deletions, projects
from app.db.queries import imports as queries
from app.db.queries import jobs as job_queries
from app.db.tables import Import, Job, JobKind
from app.domain.errors import JobFenced, NotFound, ProjectNotAccepting, TransitionNotAllowed
from app.domain.states import LIVE_JOB_STATES, JobState
from app.services.import_counts import ImportCounts
from app.services.items import IMPORTABLE_STATES, store_items
from app.services.jobs import ClaimedJob
from app.services.prepared_items import Prepared
from app.services.rounds import create_job
from app.services.transitions import set_job_state


def create_import(
    session: Session,
    project_id: int,
    source: Mapping[str, str],
    options: Mapping[str, Any],
    settings: Settings,
) -> tuple[Import, Job]:
    """Create an import and its job.

    Args:
        session: in a transaction.
        project_id: the project.
        source: `name`, and either `content_hash` or `uri`.
        options: how it is read.
        settings: of this machine.

    Raises:
        ProjectNotAccepting: the project has ended.
    """
    project = projects.lock(session, project_id)
    if project.state not in IMPORTABLE_STATES:
        raise ProjectNotAccepting(f"Project {project_id} is {project.state} and takes no items.")
    found = Import(project_id=project_id, options=dict(options), **source)
    session.add(found)
    session.flush()
    job = create_job(session, project, JobKind.IMPORT, found, settings.job_max_attempts)
    session.refresh(found)
    session.refresh(job)
    return found, job


def cancel_import(session: Session, project_id: int, import_id: int) -> tuple[Import, Job]:
    """Cancel an import; the items that it has stored stay.

    Raises:
        NotFound: the project has no such import.
        TransitionNotAllowed: it has ended.
    """
    projects.lock(session, project_id)
    found = queries.get(session, project_id, import_id)
    if found is None:
        raise NotFound("import", import_id)
    _, job = found
    if job.state not in LIVE_JOB_STATES:
        raise TransitionNotAllowed(f"Import {import_id}", job.state, "cancelled", [])
    set_job_state(session, job, JobState.CANCELLED)
    _discard_file(session, found[0])
    session.flush()
    session.refresh(job)
    return found


def take_piece(
    session: Session,
    claimed: ClaimedJob,
    settings: Settings,
    prepared: Sequence[Prepared],
    refused: ImportCounts,
) -> None:
    """Store the items of a piece, count them, and keep what was refused, all in one transaction.

    `refused` is what was refused before; its `n_failed` counts with the prepared to what is done.

    Raises:
        JobFenced: the job belongs to another or has ended; nothing is stored.
    """
    projects.lock(session, claimed.project_id)
    job = job_queries.owned(session, claimed.id, claimed.token)
    found = session.get(Import, claimed.import_id)
    if job is None or found is None:
        raise JobFenced(claimed.id)
    counts = ImportCounts()
    store_items(session, settings, claimed.project_id, prepared, counts)
    found.n_done += len(prepared) + refused.n_failed
    counts.add(refused)
    found.n_created += counts.n_created
    found.n_updated += counts.n_updated
    found.n_known += counts.n_known
    found.n_failed += counts.n_failed
    found.n_labels += counts.n_labels
    found.n_skips += counts.n_skips
    queries.refuse(session, found.id, map(vars, counts.errors))
    job.progress = {"n_done": found.n_done}


def end_import(session: Session, claimed: ClaimedJob) -> None:
    """End an import's job: all is read.

    Raises:
        JobFenced: the job belongs to another or has ended.
    """
    projects.lock(session, claimed.project_id)
    job = job_queries.owned(session, claimed.id, claimed.token)
    if job is None:
        raise JobFenced(claimed.id)
    set_job_state(session, job, JobState.SUCCEEDED)
    _discard_file(session, begin_import(session, claimed))


def _discard_file(session: Session, ended: Import) -> None:
    """Let an uploaded file go that nobody reads again: it holds what may be erased one day."""
    if ended.content_hash:
        named = select(Import.content_hash.label("hash")).where(Import.id == ended.id)
        deletions.discard(session, named, None)
        ended.content_hash = ""


def begin_import(session: Session, claimed: ClaimedJob) -> Import:
    """Return the import of a claimed job.

    Raises:
        NotFound: it has been deleted.
    """
    found = session.get(Import, claimed.import_id)
    if found is None:
        raise NotFound("import", claimed.import_id)
    return found


def set_format(session: Session, claimed: ClaimedJob, name: str) -> None:
    """Keep which format was found."""
    begin_import(session, claimed).format = name
