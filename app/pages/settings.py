"""The page of a project's settings, with the events that tell who changed what when."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from app.api.deps import ProjectDep, ProjectIdDep, SessionDep, SettingsDep, in_thread
from app.config import Settings
from app.db.queries import annotators, events
from app.db.session import transaction
from app.db.tables import Project
from app.domain.errors import DomainError
from app.pages.page import LeadPage, Page, PageRoute
from app.pages.wizard_form import explained
from app.presenters.label_studio import present_connection_of
from app.presenters.webhooks import present_webhooks
from app.schemas.annotation import GivenAnnotation
from app.schemas.events import EventOut
from app.schemas.projects import ProjectChange
from app.schemas.webhooks import WebhookCreated
from app.services.annotation import change_annotation
from app.services.project_settings import change_project
from selection.catalog import Purpose, find_strategy, known_strategies

router = APIRouter(prefix="/projects/{project}", include_in_schema=False, route_class=PageRoute)
SHOWN = 60
ANNOTATION: TypeAdapter[dict[str, Any]] = TypeAdapter(GivenAnnotation)
# Fields of the form -> the part of the settings and its key; empty fields of OPTIONAL are null.
NUMBERS = ("round_budget", "total_budget", "reserve", "initial_budget")
PARTS = {
    "control_fraction": ("selection", 100),
    "retrain_fraction": ("trigger", 100),
    "gain": ("stop_when", 100),
    "kappa": ("stop_when", 1),
}
SHARES = ("gold_fraction", "gold_min_accuracy", "min_agreement", "overlap_fraction")
OPTIONAL = frozenset({"gain", "kappa", "gold_min_accuracy", "max_labels_per_item"})


@router.get("/settings")
def read_settings(
    page: LeadPage,
    session: SessionDep,
    project: ProjectDep,
    before: Annotated[int | None, Query(ge=0, le=2**53)] = None,
) -> Response:
    """Show the settings, and the newest events."""
    return render_settings(page, session, project, before=before)


@router.post("/settings")
async def change_settings(
    page: LeadPage, request: Request, project: ProjectIdDep, settings: SettingsDep
) -> Response:
    """Change the settings that differ."""
    form = await request.form(max_fields=100)
    return await in_thread(request, _change, page, request, project, form, settings)


def _change(
    page: Page, request: Request, project_id: int, form: FormData, settings: Settings
) -> Response:
    factory = request.app.state.session_factory
    try:
        wanted = ProjectChange.model_validate(_of_project(form))
        annotation = ANNOTATION.validate_python(_of_annotation(form))
        per_item = annotation.pop("labels_per_item", None)
        with transaction(factory) as session:
            changes = wanted.model_dump(exclude_unset=True)
            if changes:
                change_project(session, project_id, changes, settings)
            if annotation or per_item:
                change_annotation(session, project_id, annotation, per_item, settings)
    except (DomainError, ValidationError) as error:
        with transaction(factory) as session:
            project = session.get_one(Project, project_id)
            return render_settings(page, session, project, fault=explained(error))
    return page.redirect(f"/projects/{project_id}/settings", flash="The settings are saved.")


def _of_project(form: FormData) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("name", "strategy", *NUMBERS):
        if text := _text(form, name):
            found[name] = text
    for name, (part, scale) in PARTS.items():
        if name in form:
            value = _scaled(_text(form, name), scale)
            if value is not None or name in OPTIONAL:
                found.setdefault(part, {})[name] = value
    return found


def _of_annotation(form: FormData) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("labels_per_item", "max_labels_per_item"):
        if name in form:
            found[name] = _text(form, name) or None
    for name in SHARES:
        if name in form:
            found[name] = _scaled(_text(form, name), 100)
    for name in ("consensus", "gold_action", "flagged_labels"):
        if text := _text(form, name):
            found[name] = text
    if "adjudicators" in form:
        names = _text(form, "adjudicators").splitlines()
        found["adjudicators"] = [name.strip() for name in names if name.strip()]
    return found


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _scaled(text: str, scale: int) -> float | str | None:
    """Return a share that was given in percent; what is no number is refused by its field."""
    if not text:
        return None
    try:
        return float(text) / scale
    except ValueError:
        return text


def render_settings(  # noqa: PLR0913 - by name: what the page shows besides
    page: Page,
    session: Session,
    project: Project,
    *,
    before: int | None = None,
    fault: str = "",
    created: WebhookCreated | None = None,
) -> Response:
    """Return the page; `fault` refuses a form, `created` is a webhook whose secret it shows."""
    rows = events.newest_page(session, project.id, before, SHOWN)
    return page.render(
        "settings.html",
        422 if fault else 200,
        project=project,
        fault=fault,
        distrusted=annotators.distrusted_labels(session, project.id),
        strategies=[find_strategy(name) for name in known_strategies(Purpose.BATCH)],
        created=created,
        connection=present_connection_of(session, project.id),
        public_url=f"{page.request.url.scheme}://{page.request.url.netloc}",
        webhooks=present_webhooks(session, project.id, shows_address=True),
        events=[EventOut.model_validate(row) for row in rows],
        more=rows[-1].id if len(rows) == SHOWN else None,
    )
