"""The overview of a project: how it goes, live, and what leads it through its states."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Form, Response
from sqlalchemy.orm import Session

from app.api.advice import advice_of
from app.api.costs import costs_of
from app.api.deps import ProjectDep, ProjectIdDep, SessionDep, SettingsDep
from app.api.recent import Recent, RecentDep
from app.config import Settings
from app.db.queries import imports, models
from app.db.tables import ModelRole, Project
from app.pages.page import LeadPage, Page, PageRoute, ReadPage
from app.presenters.jobs import present_with_job
from app.presenters.overview import present_overview
from app.schemas.imports import ImportOut
from app.services import archives, audits, label_errors, labels_saved, lifecycle, maps
from app.services.next_round import begin_next_round
from app.services.overview import read_overview

router = APIRouter(prefix="/projects/{project}", include_in_schema=False, route_class=PageRoute)


class Action(StrEnum):
    """What a lead does with a project's state."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    NEXT_ROUND = "next_round"
    FINISH = "finish"
    CANCEL = "cancel"
    REOPEN = "reopen"
    ARCHIVE = "archive"
    RESTORE = "restore"


SAID = {
    Action.START: "The project is started: the first items are being selected.",
    Action.PAUSE: "The project is paused: nothing is handed out.",
    Action.RESUME: "The project goes on.",
    Action.NEXT_ROUND: "The next round has begun.",
    Action.FINISH: "Labeling has ended; the target is being trained.",
    Action.CANCEL: "The project is cancelled.",
    Action.REOPEN: "The project is reopened and paused. Change what you like, then resume it.",
    Action.ARCHIVE: "The project is archived.",
    Action.RESTORE: "The project is restored.",
}


def render_overview(
    page: Page, session: Session, project: Project, settings: Settings, recent: Recent
) -> Response:
    """Return the overview for those who may read the project."""
    targets = [m for m in models.list_all(session, project.id) if m.role == ModelRole.TARGET]
    return page.render(
        "overview.html",
        project=project,
        target=targets[-1] if targets else None,
        **_live(session, project),
        **_progress(session, project, settings, recent),
    )


@router.get("/live")
def read_live(page: ReadPage, session: SessionDep, project: ProjectDep) -> Response:
    """Return the part of the overview that changes by the second."""
    return page.render("overview_live.html", project=project, **_live(session, project))


@router.get("/progress")
def read_progress(
    page: ReadPage,
    session: SessionDep,
    project: ProjectDep,
    settings: SettingsDep,
    recent: RecentDep,
) -> Response:
    """Return the part of the overview that changes by the round."""
    return page.render(
        "overview_progress.html", project=project, **_progress(session, project, settings, recent)
    )


@router.post("/state")
def change_state(
    page: LeadPage,
    session: SessionDep,
    project: ProjectIdDep,
    settings: SettingsDep,
    action: Annotated[Action, Form()],
) -> Response:
    """Lead the project to another state."""
    most = settings.job_max_attempts
    do: dict[Action, Callable[[], object]] = {
        Action.START: lambda: lifecycle.start_project(session, project, most),
        Action.PAUSE: lambda: lifecycle.pause_project(session, project),
        Action.RESUME: lambda: lifecycle.resume_project(session, project, most),
        Action.NEXT_ROUND: lambda: begin_next_round(session, project, settings),
        Action.FINISH: lambda: lifecycle.finish_project(session, project, most),
        Action.CANCEL: lambda: lifecycle.cancel_project(session, project),
        Action.REOPEN: lambda: lifecycle.reopen_project(session, project),
        Action.ARCHIVE: lambda: archives.archive_project(session, project),
        Action.RESTORE: lambda: archives.restore_project(session, project, most),
    }
    do[action]()
    return page.redirect(f"/projects/{project}", flash=SAID[action])


class Question(StrEnum):
    """What a lead asks a worker."""

    AUDIT = "audit"
    LABELS_SAVED = "labels_saved"
    LABEL_ERRORS = "label_errors"
    MAP = "map"


BACK = {Question.LABEL_ERRORS: "/label-errors", Question.MAP: "/map"}


@router.post("/analyses")
def ask(
    page: LeadPage,
    session: SessionDep,
    project: ProjectIdDep,
    settings: SettingsDep,
    kind: Annotated[Question, Form()],
) -> Response:
    """Ask a worker a question about the labels at hand."""
    do: dict[Question, Callable[[], object]] = {
        Question.AUDIT: lambda: audits.create_audit(session, project, audits.AuditIn(), settings),
        Question.LABELS_SAVED: lambda: labels_saved.estimate_labels_saved(
            session, project, settings
        ),
        Question.LABEL_ERRORS: lambda: label_errors.find_label_errors(
            session, project, label_errors.Judge.PROXY, settings
        ),
        Question.MAP: lambda: maps.create_map(session, project, settings),
    }
    do[kind]()
    flash = "A worker looks into it; the answer appears here."
    return page.redirect(f"/projects/{project}{BACK.get(kind, '')}", flash=flash)


def _live(session: Session, project: Project) -> dict[str, Any]:
    rows = imports.list_all(session, project.id)
    return {
        "overview": present_overview(read_overview(session, project)),
        "imports": [present_with_job(ImportOut, *row) for row in rows],
    }


def _progress(
    session: Session, project: Project, settings: Settings, recent: Recent
) -> dict[str, Any]:
    return {
        "advice": advice_of(session, project, recent),
        "costs": costs_of(session, project, settings, recent),
    }
