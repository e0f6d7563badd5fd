"""Routes of projects: create, list, read."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.bodies import Route
from app.api.deps import (
    AnnotatorIdDep,
    CallerDep,
    ProjectDep,
    ServiceAdminDep,
    SessionDep,
    SettingsDep,
    ViewerIdDep,
)
from app.db.queries import projects, visibility
from app.domain.roles import Right
from app.presenters.projects import present_project, present_project_to_annotator
from app.schemas.bodies import problems
from app.schemas.projects import (
    DEFAULT_PROXY,
    DEFAULT_TARGET,
    AnnotatorProjectOut,
    ModelSpec,
    ProgressOut,
    ProjectCopy,
    ProjectCreate,
    ProjectOut,
    ProjectPage,
)
from app.services.projects import ModelChoice, ProjectIn, copy_project, create_project

router = APIRouter(prefix="/projects", tags=["projects"], route_class=Route)


Limit = Annotated[int, Query(ge=1, le=1000)]
Archived = Annotated[bool, Query(description="Those that are archived instead of the others.")]


@router.post("", status_code=201, summary="Create a project", responses=problems(403, 409))
def create(
    body: ProjectCreate, session: SessionDep, _admin: ServiceAdminDep, machine: SettingsDep
) -> ProjectOut:
    """Create a draft; then import items and start it. The whole recipes are stored with it."""
    project = create_project(session, project_in(body), machine.most_model_bytes)
    return present_project(session, project)


def project_in(body: ProjectCreate) -> ProjectIn:
    """Return the settings of a new project, with the defaults of its modality."""
    proxy = body.proxy or ModelSpec(model=DEFAULT_PROXY[body.modality])
    target = body.target or ModelSpec(model=DEFAULT_TARGET[body.modality])
    return ProjectIn(
        **body.model_dump(exclude={"proxy", "target", "reserve"}),
        proxy=ModelChoice(proxy.model, proxy.recipe),
        target=ModelChoice(target.model, target.recipe),
        reserve=body.round_budget if body.reserve is None else body.reserve,
    )


@router.post(
    "/{project}/copy", status_code=201, summary="Copy settings", responses=problems(403, 404, 409)
)
def copy(
    body: ProjectCopy, session: SessionDep, project: int, _admin: ServiceAdminDep
) -> ProjectOut:
    """Create a draft with the settings and classes of this project, without items and labels."""
    return present_project(session, copy_project(session, project, body.name))


@router.get("", summary="List projects", responses=problems())
def list_projects(
    session: SessionDep,
    caller: CallerDep,
    archived: Archived = False,  # noqa: FBT002 - a query parameter
    cursor: Annotated[int, Query(ge=0)] = 0,
    limit: Limit = 100,
) -> ProjectPage:
    """Return the projects that the token reaches, by id; to annotators the little they need."""
    page = projects.list_page(session, cursor, limit, caller.project_ids, archived=archived)
    return ProjectPage(
        projects=[
            present_project(session, project)
            if caller.may(Right.READ, project.id)
            else present_project_to_annotator(project)
            for project in page
        ],
        next_cursor=page[-1].id if len(page) == limit else None,
    )


@router.get("/{project}", summary="Read a project", responses=problems(403, 404))
def read(
    session: SessionDep, project: ProjectDep, caller: CallerDep, annotator_id: ViewerIdDep
) -> ProjectOut | AnnotatorProjectOut:
    """Return the project with its counts and newest round.

    Annotators get what labeling needs, and how far they are themselves: counts of the whole would
    tell them which items are gold.
    """
    if caller.may(Right.READ, project.id):
        return present_project(session, project)
    progress = visibility.progress_of(session, project.id, annotator_id)
    return present_project_to_annotator(project, progress)


@router.get("/{project}/progress", summary="Read your progress", responses=problems(403, 404))
def read_progress(
    session: SessionDep, project: ProjectDep, annotator_id: AnnotatorIdDep
) -> ProgressOut:
    """Return how far the annotator is: items labeled, skipped and held."""
    return ProgressOut.model_validate(visibility.progress_of(session, project.id, annotator_id))
