"""Webhooks on the page of a project's settings, and the page of one webhook's messages."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app.api.deps import ProjectDep, ProjectIdDep, SessionDep, SettingsDep
from app.db.queries import deliveries
from app.db.tables import Project
from app.domain.errors import DomainError
from app.pages.page import LeadPage, Page, PageRoute
from app.pages.settings import render_settings
from app.presenters.webhooks import present_delivery, present_webhook
from app.schemas.webhooks import WebhookCreated
from app.services.webhooks import (
    WebhookIn,
    change_secret,
    change_webhook,
    create_webhook,
    delete_webhook,
    find_webhook,
    replay_dead,
    replay_delivery,
    send_test,
)

router = APIRouter(
    prefix="/projects/{project}/webhooks", include_in_schema=False, route_class=PageRoute
)
SHOWN = 50


class WebhookForm(BaseModel):
    """The fields of a new webhook; kinds of events stand apart by commas or lines."""

    url: str = Field("", max_length=4000)
    events: str = Field("*", max_length=10_000)
    description: str = Field("", max_length=500)

    @property
    def kinds(self) -> list[str]:
        """The kinds of events."""
        return self.events.replace(",", " ").split()


@router.post("")
def submit_webhook(
    page: LeadPage,
    session: SessionDep,
    project: ProjectDep,
    settings: SettingsDep,
    form: Annotated[WebhookForm, Form()],
) -> Response:
    """Create a webhook; its secret is shown on this answer alone."""
    description = " ".join(form.description.split())
    try:
        secret, webhook = create_webhook(
            session, project.id, WebhookIn(form.url, form.kinds, description), settings
        )
    except DomainError as error:
        return render_settings(page, session, project, fault=error.detail)
    shown = present_webhook(session, webhook, shows_address=True)
    created = WebhookCreated(**shown.model_dump(), secret=secret)
    return render_settings(page, session, project, created=created)


@router.get("/{webhook}")
def read_webhook(
    page: LeadPage,
    session: SessionDep,
    project: ProjectDep,
    webhook: int,
    before: Annotated[int | None, Query(ge=0, le=2**53)] = None,
) -> Response:
    """Show one webhook and the newest messages to it."""
    return _show(page, session, project, webhook, before)


@router.post("/{webhook}/test")
def submit_test(
    page: LeadPage, session: SessionDep, project: ProjectIdDep, webhook: int
) -> Response:
    """Send a test."""
    send_test(session, project, webhook)
    return _back(page, project, webhook, "A test message is on its way; reload to see its end.")


@router.post("/{webhook}/switch")
def submit_switch(
    page: LeadPage,
    session: SessionDep,
    project: ProjectIdDep,
    settings: SettingsDep,
    webhook: int,
) -> Response:
    """Enable a webhook that is disabled, or disable one that is not."""
    found = find_webhook(session, project, webhook)
    is_enabled = found.disabled_at is not None
    change_webhook(session, project, webhook, {"is_enabled": is_enabled}, settings)
    words = "The webhook is enabled." if is_enabled else "The webhook is disabled."
    return _back(page, project, webhook, words)


@router.post("/{webhook}/secret")
def submit_secret(
    page: LeadPage, session: SessionDep, project: ProjectDep, webhook: int
) -> Response:
    """Change the secret; the new one is shown on this answer alone."""
    secret, _ = change_secret(session, project.id, webhook, ends_old=False)
    return _show(page, session, project, webhook, None, secret)


@router.post("/{webhook}/delete")
def submit_deletion(
    page: LeadPage, session: SessionDep, project: ProjectIdDep, webhook: int
) -> Response:
    """Delete a webhook with its messages."""
    delete_webhook(session, project, webhook)
    return page.redirect(f"/projects/{project}/settings", flash="The webhook is deleted.")


@router.post("/{webhook}/replay")
def submit_replay(
    page: LeadPage,
    session: SessionDep,
    project: ProjectIdDep,
    webhook: int,
    delivery: Annotated[int | None, Form(ge=0, le=2**53)] = None,
) -> Response:
    """Send one message again, or, where none is named, all dead ones."""
    if delivery is None:
        n = replay_dead(session, project, webhook)
    else:
        replay_delivery(session, project, webhook, delivery)
        n = 1
    return _back(page, project, webhook, f"Messages sent again: {n}.")


def _back(page: Page, project: int, webhook: int, words: str) -> Response:
    return page.redirect(f"/projects/{project}/webhooks/{webhook}", flash=words)


def _show(  # noqa: PLR0913, PLR0917 - what the page shows
    page: Page,
    session: Session,
    project: Project,
    webhook_id: int,
    before: int | None,
    secret: str = "",
) -> Response:
    webhook = find_webhook(session, project.id, webhook_id)
    rows = deliveries.list_page(session, webhook.id, before, SHOWN)
    return page.render(
        "webhook.html",
        project=project,
        webhook=present_webhook(session, webhook, shows_address=True),
        secret=secret,
        deliveries=[present_delivery(delivery, event) for delivery, event in rows],
        more=rows[-1][0].id if len(rows) == SHOWN else None,
    )
