"""Routes that lead a project through its states."""

from fastapi import APIRouter

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectIdDep, SessionDep, SettingsDep
from app.presenters.projects import present_project
from app.schemas.bodies import problems
from app.schemas.projects import ProjectOut
from app.services import archives, lifecycle

router = APIRouter(prefix="/projects", tags=["projects"], route_class=Route)


@router.post("/{project}/start", summary="Start", responses=problems(403, 404, 409))
def start(
    session: SessionDep, project: ProjectIdDep, _admin: AdminDep, settings: SettingsDep
) -> ProjectOut:
    """Start a draft: round 0 is selected."""
    return present_project(
        session, lifecycle.start_project(session, project, settings.job_max_attempts)
    )


@router.post("/{project}/pause", summary="Pause", responses=problems(403, 404, 409))
def pause(session: SessionDep, project: ProjectIdDep, _admin: AdminDep) -> ProjectOut:
    """Pause: nothing is leased, late labels are taken, running jobs end."""
    return present_project(session, lifecycle.pause_project(session, project))


@router.post("/{project}/resume", summary="Resume", responses=problems(403, 404, 409))
def resume(
    session: SessionDep, project: ProjectIdDep, _admin: AdminDep, settings: SettingsDep
) -> ProjectOut:
    """Resume where the project was paused."""
    return present_project(
        session, lifecycle.resume_project(session, project, settings.job_max_attempts)
    )


@router.post("/{project}/finish", summary="Finish now", responses=problems(403, 404, 409))
def finish(
    session: SessionDep, project: ProjectIdDep, _admin: AdminDep, settings: SettingsDep
) -> ProjectOut:
    """End labeling and train the target on the labels so far."""
    return present_project(
        session, lifecycle.finish_project(session, project, settings.job_max_attempts)
    )


@router.post("/{project}/reopen", summary="Reopen", responses=problems(403, 404, 409))
def reopen(session: SessionDep, project: ProjectIdDep, _admin: AdminDep) -> ProjectOut:
    """Reopen a finished project: it is paused, takes items and other settings, and can be resumed.

    Resumed, it selects again as far as `total_budget` allows. Once that is spent, the target is
    trained again, with the settings that it has by then.
    """
    return present_project(session, lifecycle.reopen_project(session, project))


@router.post("/{project}/archive", summary="Archive", responses=problems(403, 404, 409))
def archive(session: SessionDep, project: ProjectIdDep, _admin: AdminDep) -> ProjectOut:
    """Archive a project that is at rest: it leaves the list, can be read, and nothing changes."""
    return present_project(session, archives.archive_project(session, project))


@router.post("/{project}/restore", summary="Restore", responses=problems(403, 404))
def restore(
    session: SessionDep, project: ProjectIdDep, _admin: AdminDep, settings: SettingsDep
) -> ProjectOut:
    """Restore an archived project: it is as it was."""
    return present_project(
        session, archives.restore_project(session, project, settings.job_max_attempts)
    )


@router.post("/{project}/cancel", summary="Cancel", responses=problems(403, 404, 409))
def cancel(session: SessionDep, project: ProjectIdDep, _admin: AdminDep) -> ProjectOut:
    """Cancel for good; the labels stay and can be exported."""
    return present_project(session, lifecycle.cancel_project(session, project))
