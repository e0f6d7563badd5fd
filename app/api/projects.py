"""Routes of projects: create, list, read, and the ways through their states."""

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy.orm import Session

from app.api.bodies import Route, takes_large_bodies
from app.api.deps import (
    AdminDep,
    AnnotatorIdDep,
    CallerDep,
    ProjectDep,
    ProjectIdDep,
    ServiceAdminDep,
    SessionDep,
    SettingsDep,
    StoreDep,
    in_reading_thread,
    in_thread,
)
from app.api.spool import spooled
from app.db.queries import events, projects, rounds, visibility
from app.db.session import transaction
from app.db.tables import Project, Role
from app.schemas.bodies import problems
from app.schemas.projects import (
    DEFAULT_PROXY,
    DEFAULT_TARGET,
    AnnotatorProjectOut,
    EventOut,
    EventPage,
    FeaturesOut,
    ModelSpec,
    ProgressOut,
    ProjectChange,
    ProjectCreate,
    ProjectOut,
    ProjectPage,
    RoundRef,
)
from app.services import features
from app.services import lifecycle as course
from app.services.features import BroughtFeatures
from app.services.project_settings import change_project
from app.services.projects import ModelChoice, ProjectIn, create_project
from app.storage.room import check_room

router = APIRouter(prefix="/projects", tags=["projects"], route_class=Route)
Limit = Annotated[int, Query(ge=1, le=1000)]


def render(session: Session, project: Project) -> ProjectOut:
    """Return the project with its newest round."""
    session.flush()
    latest = rounds.latest(session, project.id)
    out = ProjectOut.model_validate(project)
    out.round = RoundRef.model_validate(latest) if latest else None
    return out


@router.post("", status_code=201, summary="Create a project", responses=problems(403, 409))
def create(
    body: ProjectCreate, session: SessionDep, _admin: ServiceAdminDep, machine: SettingsDep
) -> ProjectOut:
    """Create a draft; then import items and start it. The whole recipes are stored with it."""
    proxy = body.proxy or ModelSpec(model=DEFAULT_PROXY[body.modality])
    target = body.target or ModelSpec(model=DEFAULT_TARGET[body.modality])
    settings = ProjectIn(
        **body.model_dump(exclude={"proxy", "target", "reserve"}),
        proxy=ModelChoice(proxy.model, proxy.recipe),
        target=ModelChoice(target.model, target.recipe),
        reserve=body.round_budget if body.reserve is None else body.reserve,
    )
    return render(session, create_project(session, settings, machine.most_model_bytes))


@router.get("", summary="List projects", responses=problems())
def list_projects(
    session: SessionDep,
    caller: CallerDep,
    cursor: Annotated[int, Query(ge=0)] = 0,
    limit: Limit = 100,
) -> ProjectPage:
    """Return the projects that the token reaches, by id; to annotators the little they need."""
    page = projects.list_page(session, cursor, limit, caller.project_id)
    is_admin = caller.role is Role.ADMIN
    return ProjectPage(
        projects=[
            render(session, project) if is_admin else AnnotatorProjectOut(**brief(project))
            for project in page
        ],
        next_cursor=page[-1].id if len(page) == limit else None,
    )


@router.get("/{project}", summary="Read a project", responses=problems(403, 404))
def read(
    session: SessionDep, project: ProjectDep, caller: CallerDep, annotator_id: AnnotatorIdDep
) -> ProjectOut | AnnotatorProjectOut:
    """Return the project with its counts and newest round.

    Annotators get what labeling needs, and how far they are themselves: counts of the whole would
    tell them which items are gold.
    """
    if caller.role is Role.ADMIN:
        return render(session, project)
    progress = visibility.progress_of(session, project.id, annotator_id)
    return AnnotatorProjectOut(**brief(project), progress=ProgressOut.model_validate(progress))


def brief(project: Project) -> dict[str, Any]:
    """Return what annotators see of a project."""
    shown = ("id", "name", "state", "modality", "classes")
    return {name: getattr(project, name) for name in shown}


@router.patch("/{project}", summary="Change settings", responses=problems(403, 404, 409))
def change(
    body: ProjectChange,
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
) -> ProjectOut:
    """Change settings between rounds; each change is an event with the value before and after.

    Strategy, selection, proxy, trigger and round_budget count from the next round on: a round keeps
    those that it was created with (a failed one takes the new ones when it is retried).
    total_budget, reserve, target and stop_when count when they are next looked at.
    """
    changes = body.model_dump(exclude_unset=True)
    for name in ("proxy", "target"):
        if name in changes:
            changes[name] = ModelChoice(**changes[name])
    return render(session, change_project(session, project, changes, settings))


@router.post("/{project}/start", summary="Start", responses=problems(403, 404, 409))
def start(
    session: SessionDep, project: ProjectIdDep, _admin: AdminDep, settings: SettingsDep
) -> ProjectOut:
    """Start a draft: round 0 is selected."""
    return render(session, course.start_project(session, project, settings.job_max_attempts))


@router.post("/{project}/pause", summary="Pause", responses=problems(403, 404, 409))
def pause(session: SessionDep, project: ProjectIdDep, _admin: AdminDep) -> ProjectOut:
    """Pause: nothing is leased, late labels are taken, running jobs end."""
    return render(session, course.pause_project(session, project))


@router.post("/{project}/resume", summary="Resume", responses=problems(403, 404, 409))
def resume(
    session: SessionDep, project: ProjectIdDep, _admin: AdminDep, settings: SettingsDep
) -> ProjectOut:
    """Go on where the project was paused."""
    return render(session, course.resume_project(session, project, settings.job_max_attempts))


@router.post("/{project}/finish", summary="Finish now", responses=problems(403, 404, 409))
def finish(
    session: SessionDep, project: ProjectIdDep, _admin: AdminDep, settings: SettingsDep
) -> ProjectOut:
    """End labeling and train the target on the labels at hand."""
    return render(session, course.finish_project(session, project, settings.job_max_attempts))


@router.post("/{project}/cancel", summary="Cancel", responses=problems(403, 404, 409))
def cancel(session: SessionDep, project: ProjectIdDep, _admin: AdminDep) -> ProjectOut:
    """Cancel for good; the labels stay and can be exported."""
    return render(session, course.cancel_project(session, project))


@router.put(
    "/{project}/features",
    summary="Bring features",
    responses=problems(403, 404, 413, 507),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        }
    },
)
@takes_large_bodies
async def bring_features(
    request: Request,
    project: ProjectIdDep,
    _admin: AdminDep,
    store: StoreDep,
    settings: SettingsDep,
) -> FeaturesOut:
    """Store features of the pool: a NumPy file (numpy.save) of float32 or float64 [n_pool, d].

    Row i belongs to the pool item of index i. They serve cold starts, strategies that work on
    features (`selection.features` = brought), near-duplicates and candidate pools.
    """

    def store_file(path: Path) -> BroughtFeatures:
        n, d = features.check_features(path)
        return BroughtFeatures(store.put_file(path), n, d)

    def bring(brought: BroughtFeatures) -> None:
        with transaction(request.app.state.session_factory) as session:
            features.bring_features(session, project, brought)

    check_room(settings)
    async with spooled(request.stream(), settings.uploads_folder) as path:
        brought = await in_reading_thread(request, store_file, path)
    await in_thread(request, bring, brought)
    return FeaturesOut.model_validate(brought)


@router.get("/{project}/events", summary="List events", responses=problems(403, 404))
def list_events(
    session: SessionDep,
    project: ProjectDep,
    _admin: AdminDep,
    cursor: Annotated[int, Query(ge=0)] = 0,
    limit: Limit = 100,
) -> EventPage:
    """Return what happened in the project, oldest first."""
    page = events.list_page(session, project.id, cursor, limit)
    return EventPage(
        events=[EventOut.model_validate(event) for event in page],
        next_cursor=page[-1].id if len(page) == limit else None,
    )
