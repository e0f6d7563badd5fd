"""Deletes projects: at once for everybody who asks, in the background on the disks.

Rows go piece by piece, each piece in a transaction that notes which stored files it named. A file
goes when no row of any project names it and nobody has stored its bytes lately
(`ArtifactStore.discard`). So a crash at any point leaves what the next look goes on with.
"""

import structlog
from sqlalchemy import func
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import deletions as queries
from app.db.queries import jobs, label_exports, projects
from app.db.session import transaction
from app.db.tables import DeletedProject
from app.domain.errors import DeletionNotConfirmed
from app.domain.names import normalised
from app.domain.states import JobState, ProjectState
from app.services.transitions import set_job_state, set_project_state
from app.storage.artifacts import ArtifactStore

ROWS_AT_ONCE = 2000
FILES_AT_ONCE = 500


def delete_project(session: Session, project_id: int, name: str, by: str) -> DeletedProject:
    """Delete a project in any state; return the record of it.

    It is gone for everybody and its name is free when this transaction commits; its jobs are
    taken from their workers. Its rows and files follow (`remove_some`).

    Args:
        session: in a transaction that the caller commits.
        project_id: of the project.
        name: its name, repeated.
        by: who deletes it.

    Raises:
        NotFound: no such project, or it was deleted.
        DeletionNotConfirmed: it has another name.
    """
    project = projects.lock(session, project_id, even_archived=True)
    if normalised(name) != project.name:
        raise DeletionNotConfirmed(
            f"Project {project_id} is not called {name!r}. To delete it with all items and labels, "
            "repeat its name as it is."
        )
    for job in jobs.live_of_project(session, project_id):
        set_job_state(session, job, JobState.CANCELLED)
    set_project_state(session, project, ProjectState.DELETING)
    deleted = DeletedProject(
        id=project.id,
        uid=project.uid,
        name=project.name,
        deleted_by=by,
        n_items=project.n_pool + project.n_evaluation,
        deleted_at=func.now(),
    )
    session.add(deleted)
    project.name = f"deleted project {project.uid}"
    session.flush()
    session.refresh(deleted)
    structlog.get_logger().info(
        "project.deleted", project_id=project.id, name=deleted.name, deleted_by=by
    )
    return deleted


def remove_some(factory: sessionmaker[Session], store: ArtifactStore, settings: Settings) -> bool:
    """Remove a piece of what was deleted or has expired; return whether there may be more to do.

    Idempotent; any number of processes may do so at once.
    """
    with transaction(factory) as session:
        label_exports.expire_due(session, FILES_AT_ONCE)
    has_removed_rows = _remove_rows(factory)
    return _remove_files(factory, store, settings.discard_after_seconds) or has_removed_rows


def _remove_rows(factory: sessionmaker[Session]) -> bool:
    with transaction(factory) as session:
        project = queries.next_deleting(session)
        if project is None:
            return False
        if not queries.remove_rows(session, project.id, ROWS_AT_ONCE):
            queries.remove_project(session, project.id)
    return True


def _remove_files(factory: sessionmaker[Session], store: ArtifactStore, unused: float) -> bool:
    with transaction(factory) as session:
        unneeded = queries.due(session, FILES_AT_ONCE)
    gone = {digest for digest in unneeded if store.discard(digest, unused)}
    if unneeded:
        with transaction(factory) as session:
            queries.forget(session, list(gone))
            queries.postpone(session, [x for x in unneeded if x not in gone], unused)
    return bool(gone)
