"""The page of annotators: their pace, agreement and accuracy on gold, pauses, open flags."""

from typing import Annotated

from fastapi import APIRouter, Form, Response

from app.api.agreement import agreement_of
from app.api.annotators import annotators_of
from app.api.deps import ProjectDep, ProjectIdDep, SessionDep, SettingsDep
from app.api.recent import RecentDep
from app.db.queries import flags
from app.domain.errors import NotFound
from app.pages.page import LeadPage, PageRoute, ReadPage
from app.services.annotators import clear_flags, pause_annotator, resume_annotator

router = APIRouter(prefix="/projects/{project}", include_in_schema=False, route_class=PageRoute)
Name = Annotated[str, Form(min_length=1, max_length=200)]


@router.get("/annotators")
def list_annotators(
    page: ReadPage, session: SessionDep, project: ProjectDep, recent: RecentDep
) -> Response:
    """Show who labels, how fast and how well; how far they agree is asked for by the page."""
    found = annotators_of(session, project, recent)
    return page.render("annotators.html", project=project, annotators=found)


@router.get("/annotators/agreement")
def show_agreement(
    page: ReadPage, session: SessionDep, project: ProjectDep, recent: RecentDep
) -> Response:
    """Return the part of the page that takes long where many items have several labels."""
    agreement = agreement_of(session, project, recent)
    return page.render("annotators_agreement.html", project=project, agreement=agreement)


@router.post("/annotators/pause")
def pause(  # noqa: PLR0913, PLR0917 - the fields of a form
    page: LeadPage,
    session: SessionDep,
    project: ProjectIdDep,
    settings: SettingsDep,
    recent: RecentDep,
    name: Name,
    reason: Annotated[str, Form(min_length=1, max_length=1000)],
    excludes: Annotated[str, Form()] = "",
) -> Response:
    """Pause an annotator; their labels stop counting if that is asked for."""
    recent.forget(project)
    pause_annotator(session, project, name, reason, settings, excludes=bool(excludes))
    return page.redirect(f"/projects/{project}/annotators", flash=f"{name} is paused.")


@router.post("/annotators/resume")
def resume(page: LeadPage, session: SessionDep, project: ProjectIdDep, name: Name) -> Response:
    """Resume a paused annotator."""
    resume_annotator(session, project, name)
    return page.redirect(f"/projects/{project}/annotators", flash=f"{name} gets items again.")


@router.post("/annotators/clear-flags")
def clear(  # noqa: PLR0913, PLR0917 - the parts of a request
    page: LeadPage,
    session: SessionDep,
    project: ProjectIdDep,
    settings: SettingsDep,
    recent: RecentDep,
    name: Name,
) -> Response:
    """Let an annotator's labels count again."""
    recent.forget(project)
    clear_flags(session, project, name, settings)
    return page.redirect(f"/projects/{project}/annotators", flash=f"{name}'s labels count again.")


@router.post("/flags/{flag}/close")
def close_flag(
    page: LeadPage,
    session: SessionDep,
    project: ProjectIdDep,
    flag: int,
    back: Annotated[str, Form(max_length=2000)] = "/items",
) -> Response:
    """Close a flag."""
    if not flags.close(session, project, flag):
        raise NotFound("flag", flag)
    target = back if back.startswith("/items") and "\\" not in back else "/items"
    return page.redirect(f"/projects/{project}{target}", flash="The flag is closed.")
