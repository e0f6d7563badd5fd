"""Exports of labels that are too large for one answer: asked for, written by a job, expired."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import func, literal, select
from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import deletions, events, exported_labels, projects
from app.db.queries import jobs as job_queries
from app.db.queries import label_exports as queries
from app.db.queries.exported_labels import LabelFilter
from app.db.tables import Job, JobKind, LabelExport, Project
from app.domain.errors import ExportTooLarge, JobFenced, LabelExportNotReady, NotFound
from app.domain.states import JobState
from app.exports.formats import WITH_IMAGES, ExportFormat
from app.services.jobs import ClaimedJob
from app.services.rounds import create_job
from app.services.transitions import set_job_state


@dataclass(frozen=True)
class LabelExportIn:
    """The file that is wanted.

    Attributes:
        format: of the file.
        filter: the labels in it.
        annotators: whether each annotator has a column, in tables.
        raw: whether what could be a formula stays as it is, in CSV.
    """

    format: ExportFormat
    filter: LabelFilter
    annotators: bool = False
    raw: bool = False


WANTED = TypeAdapter(LabelExportIn)


def wanted_of(export: LabelExport) -> LabelExportIn:
    """Return the file that an export was asked for."""
    return WANTED.validate_python({**export.options, "format": export.format})


def check_size(
    session: Session, project: Project, wanted: LabelExportIn, settings: Settings
) -> None:
    """Refuse a file that is too large to be written while somebody waits for it.

    Raises:
        ExportTooLarge: says how to get it.
    """
    most = settings.streamed_labels
    what = "labels"
    if project.modality == "image" and wanted.format in WITH_IMAGES:
        most, what = settings.streamed_images, "images"
    n = exported_labels.count(session, project.id, wanted.filter, most + 1)
    if n > most:
        raise ExportTooLarge(
            f"The filters leave more than {most} {what}, too many for one answer. POST the same "
            f"format and filters to .../projects/{project.id}/label-exports: a worker writes the "
            "file, and its link is in the answer of GET."
        )


def create_label_export(
    session: Session, project: Project, wanted: LabelExportIn, settings: Settings
) -> tuple[LabelExport, Job]:
    """Create an export and its job; even an archived project can be exported."""
    projects.lock(session, project.id, even_archived=True)
    stored: dict[str, Any] = WANTED.dump_python(wanted, mode="json")
    export = LabelExport(
        project_id=project.id,
        format=stored.pop("format"),
        options=stored,
        n_labels=exported_labels.count(session, project.id, wanted.filter),
    )
    session.add(export)
    session.flush()
    job = create_job(session, project, JobKind.EXPORT_LABELS, export, settings.job_max_attempts)
    session.refresh(export)
    session.refresh(job)
    return export, job


def begin_label_export(session: Session, claimed: ClaimedJob) -> LabelExport:
    """Return the export of a claimed job.

    Raises:
        NotFound: it has been deleted.
    """
    found = session.get(LabelExport, claimed.label_export_id)
    if found is None:
        raise NotFound("label export", claimed.label_export_id)
    return found


@dataclass(frozen=True)
class WrittenFile:
    """The file of an export: its artifact, size and number of labels."""

    digest: str
    size_bytes: int
    n_labels: int


def note_stored_file(session: Session, written: WrittenFile) -> None:
    """Note a stored file that no row names yet: it is removed unless one does before long."""
    deletions.discard(session, select(literal(written.digest).label("hash")), None)


def publish_label_export(
    session: Session,
    claimed: ClaimedJob,
    written: WrittenFile,
    erased_at: datetime | None,
    settings: Settings,
) -> bool:
    """End an export's job: its file can be downloaded until it expires.

    Returns False, and publishes nothing, if an item was erased since `erased_at`: the file may hold
    what it was.

    Raises:
        JobFenced: the job belongs to another or has ended; nothing is published.
    """
    project = projects.lock(session, claimed.project_id, even_archived=True)
    if project.erased_at != erased_at:
        return False
    job = job_queries.owned(session, claimed.id, claimed.token)
    if job is None:
        raise JobFenced(claimed.id)
    export = begin_label_export(session, claimed)
    export.file_hash = written.digest
    export.size_bytes = written.size_bytes
    export.n_written = written.n_labels
    export.expires_at = func.now() + timedelta(seconds=settings.label_export_seconds)
    job.progress = {"n_done": written.n_labels, "n": written.n_labels}
    set_job_state(session, job, JobState.SUCCEEDED)
    facts = {"label_export": export.id, "format": export.format, "n_labels": written.n_labels}
    events.append(session, export.project_id, "label_export.published", facts)
    return True


def file_of(session: Session, project_id: int, export_id: int) -> tuple[LabelExport, str]:
    """Return an export and the hash of its file.

    Raises:
        NotFound: the project has no such export.
        LabelExportNotReady: it has no file yet, or no more.
    """
    found = queries.get(session, project_id, export_id)
    if found is None:
        raise NotFound("label export", export_id)
    export, job = found
    if export.file_hash:
        return export, export.file_hash
    if export.file_hash is not None:
        raise LabelExportNotReady(
            f"The file of label export {export_id} has expired; ask for a new one."
        )
    raise LabelExportNotReady(
        f"The job of label export {export_id} is {job.state}; its file is there when it has "
        "succeeded."
    )
