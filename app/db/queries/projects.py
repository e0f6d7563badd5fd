"""Statements on projects, and the row lock that every writing use case takes first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.errors import LockNotAvailable
from sqlalchemy import ColumnElement, bindparam, func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.db.tables import Event, Label, Project
from app.domain.errors import NotFound, ProjectArchived
from app.domain.states import ProjectState

_LOCKED = (
    select(Project)
    .where(Project.id == bindparam("project_id"))
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)
_LOCKED_ID = (
    select(Project.id).where(Project.id == bindparam("project_id")).with_for_update(key_share=True)
)
_SET_LOCK_TIMEOUT = text("SELECT set_config('lock_timeout', :timeout, true)")  # in this transaction
_LAST = "last locked project"
_LOCKED_IF_FREE = _LOCKED.with_for_update(key_share=True, skip_locked=True)


def lock(session: Session, project_id: int, *, even_archived: bool = False) -> Project:
    """Return the project with its row locked until the transaction ends.

    FOR NO KEY UPDATE: other writers of the project wait, rows that refer to it can be inserted.

    Raises:
        NotFound: no such project, or it was deleted.
        ProjectArchived: it is archived, and the caller did not ask for that.
    """
    project = session.scalar(_LOCKED, {"project_id": project_id})
    if project is None or project.state == ProjectState.DELETING:
        raise NotFound("project", project_id)
    if project.archived_at is not None and not even_archived:
        raise ProjectArchived(project_id)
    session.info[_LAST] = project
    return project


def last_locked(session: Session) -> Project | None:
    """Return the project that `lock` locked last in this session, without a statement."""
    project: Project | None = session.info.get(_LAST)
    return project


def lock_if_free(session: Session, project_id: int) -> Project | None:
    """Return the project, locked as by `lock`; None if another transaction holds it or it is gone.

    Sweeps come again, so they must not wait for one project while others need them.
    """
    project = session.scalar(_LOCKED_IF_FREE, {"project_id": project_id})
    return None if project is None or project.state == ProjectState.DELETING else project


def lock_soon(session: Session, project_id: int, seconds: float) -> bool:
    """Lock the project's row; False if another transaction holds it for longer, or it is gone."""
    timeout = f"{round(1000 * seconds)}ms"
    try:
        with session.begin_nested():
            session.execute(_SET_LOCK_TIMEOUT, {"timeout": timeout})
            return session.scalar(_LOCKED_ID, {"project_id": project_id}) is not None
    except OperationalError as error:
        if isinstance(error.orig, LockNotAvailable):
            return False
        raise


def get(session: Session, project_id: int) -> Project:
    """Return the project.

    Raises:
        NotFound: no such project, or it was deleted.
    """
    project = session.get(Project, project_id)
    if project is None or project.state == ProjectState.DELETING:
        raise NotFound("project", project_id)
    return project


def find(session: Session, name: str) -> Project:
    """Return the project of this name.

    Raises:
        NotFound: none is called so.
    """
    project = session.scalar(select(Project).where(Project.name == name))
    if project is None or project.state == ProjectState.DELETING:
        raise NotFound("project", name)
    return project


def list_page(
    session: Session,
    after_id: int,
    limit: int,
    only: Sequence[int] | None = None,
    *,
    archived: bool = False,
) -> list[Project]:
    """Return up to `limit` projects above `after_id`, archived or not; `only` narrows to these."""
    is_archived = Project.archived_at.is_not(None)
    statement = (
        select(Project)
        .where(
            Project.id > after_id,
            Project.state != ProjectState.DELETING,
            is_archived if archived else ~is_archived,
        )
        .order_by(Project.id)
        .limit(limit)
    )
    if only is not None:
        statement = statement.where(Project.id.in_(only))
    return list(session.scalars(statement))


@dataclass(frozen=True)
class Counts:
    """How far a project is."""

    id: int
    state: str
    n_pool: int
    n_labeled: int
    n_imported: int
    n_skipped: int


def counts_of(session: Session, project_ids: Sequence[int]) -> list[Counts]:
    """Return how far these projects are."""
    rows = session.execute(
        select(
            Project.id,
            Project.state,
            Project.n_pool,
            Project.n_labeled,
            Project.n_imported,
            Project.n_skipped,
        ).where(Project.id.in_(project_ids))
    )
    return [Counts(*row) for row in rows]


def last_active(session: Session, project_ids: Sequence[int]) -> dict[int, datetime]:
    """Return project id -> instant of the newest label or event, of those that have any."""

    def newest(kind: type[Label | Event]) -> ColumnElement[datetime]:
        return (
            select(kind.created_at)
            .where(kind.project_id == Project.id)
            .order_by(kind.project_id.desc(), kind.id.desc())  # by the index of the two
            .limit(1)
            .scalar_subquery()
        )

    rows = session.execute(
        select(Project.id, func.greatest(newest(Label), newest(Event))).where(
            Project.id.in_(project_ids)
        )
    )
    return {project_id: at for project_id, at in rows if at is not None}
