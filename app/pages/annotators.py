"""The page of annotators: their pace, agreement and accuracy on gold, pauses, open flags."""

from typing import Annotated

from fastapi import APIRouter, Form, Response

from app.api.deps import ProjectDep, ProjectIdDep, SessionDep, SettingsDep
from app.db.queries import flags
from app.domain.errors import NotFound
from app.pages.page import LeadPage, PageRoute, ReadPage
from app.schemas.agreement import AgreementOut
from app.schemas.annotators import AnnotatorOut
from app.services.agreement import read_agreement
from app.services.annotators import clear_flags, pause_annotator, read_annotators, resume_annotator

router = APIRouter(prefix="/projects/{project}", include_in_schema=False, route_class=PageRoute)
Name = Annotated[str, Form(min_length=1, max_length=200)]


@router.get("/annotators")
def list_annotators(page: ReadPage, session: SessionDep, project: ProjectDep) -> Response:
    """Show who labels, how fast and how well; how far they agree is asked for by the page."""
    found = [AnnotatorOut.model_validate(a) for a in read_annotators(session, project.id)]
    return page.render("annotators.html", project=project, annotators=found)


@router.get("/annotators/agreement")
def show_agreement(page: ReadPage, session: SessionDep, project: ProjectDep) -> Response:
    """Return the part of the page that takes long where many items have several labels."""
    agreement = AgreementOut.model_validate(read_agreement(session, project.id))
    return page.render("annotators_agreement.html", project=project, agreement=agreement)


@router.post("/annotators/pause")
def pause(  # noqa: PLR0913, PLR0917 - the fields of a form
    page: LeadPage,
    session: SessionDep,
    project: ProjectIdDep,
    settings: SettingsDep,
    name: Name,
    reason: Annotated[str, Form(min_length=1, max_length=1000)],
    excludes: Annotated[str, Form()] = "",
) -> Response:
    """Pause an annotator; their labels stop counting if that is asked for."""
    pause_annotator(session, project, name, reason, settings, excludes=bool(excludes))
    return page.redirect(f"/projects/{project}/annotators", flash=f"{name} is paused.")


@router.post("/annotators/resume")
def resume(page: LeadPage, session: SessionDep, project: ProjectIdDep, name: Name) -> Response:
    """Resume a paused annotator."""
    resume_annotator(session, project, name)
    return page.redirect(f"/projects/{project}/annotators", flash=f"{name} gets items again.")


@router.post("/annotators/clear-flags")
def clear(
    page: LeadPage, session: SessionDep, project: ProjectIdDep, settings: SettingsDep, name: Name
) -> Response:
    """Let an annotator's labels count again."""
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
