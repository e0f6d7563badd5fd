"""Connections of projects to Label Studio: made, changed and ended."""

import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import structlog
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import events, projects
from app.db.queries import label_studio as queries
from app.db.session import transaction
from app.db.tables import LabelStudioConnection, Project, RoundEnd
from app.domain.class_settings import offered_names, shown_classes
from app.domain.errors import (
    DomainError,
    LabelStudioNotConnected,
    ProjectArchived,
)
from app.integrations.label_studio.client import LabelStudio, ProjectThere
from app.integrations.label_studio.labeling_config import OfferedClass, read_config, write_config
from app.services.label_studio_access import Open, check_allowed, checked_base, opener
from app.services.label_studio_state import require, webhook_path
from app.services.label_studio_tasks import forget_tasks

SECRET_HEADER = "X-Svp-Webhook-Secret"  # noqa: S105 - a header's name
MIN_TITLE, MAX_TITLE = 3, 50  # what Label Studio takes

Factory = sessionmaker[Session]


@dataclass(frozen=True)
class ConnectionIn:
    """A wanted connection.

    Attributes:
        url: base URL of Label Studio, as this machine reaches it.
        token: of one of its users: a personal access token or a legacy one.
        project_there: its project; None: a new one is created.
        public_url: of this service, as browsers and Label Studio reach it: for images, webhooks.
        browser_url: of Label Studio, as browsers reach it; None: as this machine does.
        round_end: what becomes of unlabeled tasks of a round that ends early.
        is_guarded: a lead wants it, not the operator: allowed hosts alone, and no long waits.
    """

    url: str
    token: str = field(repr=False)
    project_there: int | None = None
    public_url: str | None = None
    browser_url: str | None = None
    round_end: RoundEnd = RoundEnd.DELETE
    is_guarded: bool = False


@dataclass(frozen=True)
class Connected:
    """A connection that was made; `webhook_fault` says why Label Studio will not wake us."""

    connection: LabelStudioConnection
    title: str
    is_new: bool
    webhook_fault: str | None


def connect(
    factory: Factory,
    project_id: int,
    wanted: ConnectionIn,
    settings: Settings,
    open_: Open | None = None,
) -> Connected:
    """Connect a project with a project of Label Studio, an existing or a new one.

    Connecting again changes the connection: another token, another address. Another project there
    begins anew; labels stay.

    Raises:
        LabelStudioAway: nothing answers at the URL.
        LabelStudioRefused: the token is refused, or what was asked.
        LabelStudioHostRefused: a lead may not connect that address.
        LabelStudioProjectGone: there is no such project.
        LabelStudioClassesDiffer: its labeling config does not offer the project's classes.
        LabelStudioNotConnected: images need `public_url`.
        ProjectArchived: the project can only be read.
    """
    url, public_url = checked_base(wanted.url), _base_or_none(wanted.public_url)
    if wanted.is_guarded:
        check_allowed(url, settings)
    with transaction(factory) as session:
        project = projects.get(session, project_id)
        if project.archived_at is not None:
            raise ProjectArchived(project_id)
    if project.modality == "image" and public_url is None:
        raise LabelStudioNotConnected(
            "Browsers fetch images from this service: give its address, as they reach it, with "
            "--public-url (public_url)."
        )
    guarded = wanted.is_guarded
    open_ = open_ or opener(settings, is_guarded=guarded, is_patient=not guarded)
    client = open_(url, wanted.token)
    try:
        client.check()
        there, is_new = _project_there(client, project, wanted.project_there)
        names = offered_names(project.classes, project.class_settings)
        read_config(there.label_config, project.modality, names)
        connection = _save(factory, project_id, there, is_new, wanted, settings, public_url)
        fault = _ensure_webhook(factory, client, connection, settings)
    finally:
        client.close()
    return Connected(connection, there.title, is_new, fault)


def _base_or_none(url: str | None) -> str | None:
    return checked_base(url) if url else None


def _project_there(
    client: LabelStudio, project: Project, wanted: int | None
) -> tuple[ProjectThere, bool]:
    """Return the project there, and whether it was created.

    One that was created for this project before, and of which we do not know, is taken on.
    """
    if wanted is not None:
        return client.project(wanted), False
    description = f"Items of svp project {project.uid}"
    known = client.find_project(description)
    if known is not None:
        return known, False
    classes = [
        OfferedClass(shown.name, shown.hint)
        for shown in shown_classes(project.classes, project.class_settings)
        if not shown.is_retired
    ]
    created = client.create_project(
        title=project.name[:MAX_TITLE].ljust(MIN_TITLE, "-"),
        description=description,
        label_config=write_config(project.modality, classes),
        maximum_annotations=project.labels_per_item,
        sampling="Sequential sampling",
        show_collab_predictions=True,
    )
    return created, True


def _save(  # noqa: PLR0913, PLR0917 - what was found out of a connection
    factory: Factory,
    project_id: int,
    there: ProjectThere,
    is_new: bool,  # noqa: FBT001 - internal
    wanted: ConnectionIn,
    settings: Settings,
    public_url: str | None,
) -> LabelStudioConnection:
    """Store the connection; with another project there, one that begins anew."""
    url = checked_base(wanted.url)
    browser = urlsplit(_base_or_none(wanted.browser_url) or url)
    fields = {
        "url": url,
        "token": wanted.token,
        "project_there": there.id,
        "origin": f"{browser.scheme}://{browser.netloc}",
        "is_guarded": wanted.is_guarded,
        "public_url": public_url,
        "round_end": wanted.round_end,
        "n_failures": 0,
        "error": None,
        "error_code": None,
    }
    with transaction(factory) as session:
        queries.lock_of_project(session, project_id)
        projects.lock(session, project_id)
        known = queries.of_project(session, project_id)
        if known is None:
            fields["webhook_secret"] = secrets.token_urlsafe(32)
        elif is_new or (known.url, known.project_there) != (url, there.id):
            forget_tasks(session, known, settings)
            queries.remove(session, known.id)
            session.expunge(known)
            fields["webhook_secret"] = secrets.token_urlsafe(32)
        else:
            fields["webhook_secret"] = queries.webhook_secret_of(session, known.id)
        connection = queries.save(session, project_id, **fields)
        queries.wake(session, connection.id)
        events.append(session, project_id, "label_studio.connected", _facts(connection))
        return connection


def _facts(connection: LabelStudioConnection) -> dict[str, object]:
    return {"url": connection.url, "project_there": connection.project_there}


def _ensure_webhook(
    factory: Factory, client: LabelStudio, connection: LabelStudioConnection, settings: Settings
) -> str | None:
    """Let Label Studio wake us; return why it cannot: polling finds everything all the same."""
    if connection.public_url is None:
        return "no --public-url was given"
    address = f"{connection.public_url}{settings.root_path}{webhook_path(connection.id)}"
    with transaction(factory) as session:
        secret = queries.webhook_secret_of(session, connection.id)
    assert secret is not None  # noqa: S101 - the connection was just made
    try:
        webhook = client.ensure_webhook(connection.project_there, address, {SECRET_HEADER: secret})
    except DomainError as error:
        return error.detail
    with transaction(factory) as session:
        queries.note_webhook(session, connection.id, webhook)
    return None


def disconnect(
    factory: Factory,
    project_id: int,
    settings: Settings,
    open_: Open | None = None,
    *,
    is_patient: bool = True,
) -> LabelStudioConnection:
    """End the project's connection: items are free again, labels stay; return what it was.

    The project there is left as it is; its webhook is deleted if that can be reached.

    Raises:
        LabelStudioNotConnected: there is none.
    """
    with transaction(factory) as session:
        queries.lock_of_project(session, project_id)
        connection = require(session, project_id)
        token = queries.token_of(session, connection.id)
        forget_tasks(session, connection, settings)
        queries.remove(session, connection.id)
        events.append(session, project_id, "label_studio.disconnected", _facts(connection))
    if connection.webhook_id is not None:
        guarded = connection.is_guarded
        open_ = open_ or opener(settings, is_guarded=guarded, is_patient=is_patient)
        client = open_(connection.url, token)
        try:
            client.delete_webhook(connection.webhook_id)
        except DomainError as error:
            structlog.get_logger().warning("label_studio.webhook_left", reason=error.detail)
        finally:
            client.close()
    return connection
