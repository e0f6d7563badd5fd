"""The connection to Label Studio on the page of a project's settings."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel, Field, ValidationError

from app.api.deps import ProjectIdDep, SessionDep, SettingsDep, in_reading_thread
from app.api.label_studio import connect_for_lead, disconnect_for_lead
from app.config import Settings
from app.db.session import transaction
from app.db.tables import Project
from app.domain.errors import DomainError
from app.pages.page import LeadPage, Page, PageRoute
from app.pages.settings import render_settings
from app.pages.wizard_form import explained
from app.schemas.label_studio import LabelStudioConnect
from app.services.label_studio_state import exchange_soon

router = APIRouter(
    prefix="/projects/{project}/label-studio", include_in_schema=False, route_class=PageRoute
)
SECTION = "#label-studio"


class ConnectForm(BaseModel):
    """The fields of a connection; empty ones are not given."""

    url: str = Field("", max_length=4000)
    token: str = Field("", max_length=10_000, repr=False)
    project_there: str = Field("", max_length=20)
    public_url: str = Field("", max_length=4000)
    browser_url: str = Field("", max_length=4000)
    round_end: str = Field("delete", max_length=20)


@router.post("")
async def submit_connection(
    page: LeadPage,
    request: Request,
    project: ProjectIdDep,
    settings: SettingsDep,
    form: Annotated[ConnectForm, Form()],
) -> Response:
    """Connect the project, or change its connection; the token is not shown again."""
    return await in_reading_thread(request, _connect, page, request, project, settings, form)


def _connect(
    page: Page, request: Request, project_id: int, settings: Settings, form: ConnectForm
) -> Response:
    given = {name: text for name, text in form.model_dump().items() if text.strip()}
    try:
        made = connect_for_lead(
            request, project_id, LabelStudioConnect.model_validate(given), settings
        )
    except (DomainError, ValidationError) as error:
        with transaction(request.app.state.session_factory) as session:
            project = session.get_one(Project, project_id)
            return render_settings(page, session, project, fault=explained(error))
    what = "a new project" if made.is_new else "project"
    words = f"Connected with {what} {made.project_there} of Label Studio."
    if made.webhook_fault is not None:
        words += f" No webhook wakes the exchange ({made.webhook_fault}); it polls all the same."
    return _back(page, project_id, words)


@router.post("/sync")
def submit_sync(
    page: LeadPage,
    session: SessionDep,
    project: ProjectIdDep,
    again: Annotated[bool, Form()] = False,  # noqa: FBT002 - a field of a form
) -> Response:
    """Let the next exchange begin at once."""
    exchange_soon(session, project, again=again)
    return _back(page, project, "The exchange begins now; reload to see how it went.")


@router.post("/disconnect")
async def submit_disconnection(
    page: LeadPage, request: Request, project: ProjectIdDep, settings: SettingsDep
) -> Response:
    """End the connection."""
    await in_reading_thread(request, disconnect_for_lead, request, project, settings)
    return _back(page, project, "The project is no longer connected with Label Studio.")


def _back(page: Page, project: int, words: str) -> Response:
    return page.redirect(f"/projects/{project}/settings{SECTION}", flash=words)
