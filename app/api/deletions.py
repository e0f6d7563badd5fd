"""Routes that delete a project, and tell what is left of deleted ones."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectIdDep, ServiceAdminDep, SessionDep
from app.db.queries import deletions as queries
from app.db.queries import tokens
from app.presenters.deletions import present_deleted
from app.schemas.bodies import problems
from app.schemas.deletions import DeletedProjectOut
from app.services.deletions import delete_project

router = APIRouter(tags=["projects"], route_class=Route)


@router.delete(
    "/projects/{project}",
    status_code=202,
    summary="Delete a project",
    responses=problems(403, 404),
)
def delete(
    session: SessionDep,
    project: ProjectIdDep,
    admin: AdminDep,
    name: Annotated[str, Query(description="The project's name, repeated.", max_length=1000)],
) -> DeletedProjectOut:
    """Delete a project with its items, labels and models, for good.

    It is gone at once and its name is free; rows, files and the workers' copies follow within
    minutes. Files that other projects refer to stay.
    """
    by = tokens.names_by_id(session, [admin.annotator_id])[admin.annotator_id]
    deleted = delete_project(session, project, name, by)
    return present_deleted(deleted, deleted.n_items, 0)


@router.get("/deleted-projects", summary="List deleted projects", responses=problems(403))
def list_deleted(session: SessionDep, _admin: ServiceAdminDep) -> list[DeletedProjectOut]:
    """Return who deleted which project when, newest first, and what is left of it on the disks."""
    return [present_deleted(*row) for row in queries.list_deleted(session)]
