"""Tasks as they are sent to Label Studio: an item's content, and the proxy's suggestion."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import projects
from app.db.queries.label_studio_tasks import PushedTask
from app.db.queries.signing_keys import key_for
from app.db.tables import LabelStudioConnection, Project
from app.integrations.label_studio.labeling_config import LabelingConfig
from app.services.gold_mixing import hides_ranking
from app.services.image_urls import PURPOSE, ImageUrls
from app.services.label_studio_tasks import data_of


@dataclass
class Payload:
    """Tasks to create.

    Attributes:
        tasks: as Label Studio imports them.
        image_until: until when their image addresses work at least; None for texts.
        model_version: the newest of their suggestions; None where there is none.
    """

    tasks: list[dict[str, Any]] = field(default_factory=list)
    image_until: datetime | None = None
    model_version: str | None = None


def payload_of(
    session: Session,
    connection: LabelStudioConnection,
    config: LabelingConfig,
    found: Sequence[PushedTask],
    settings: Settings,
) -> Payload:
    """Return what to send for these tasks; suggestions only where annotators may see them."""
    project = projects.get(session, connection.project_id)
    urls = image_urls(session, connection, project, settings)
    shows_suggestions = not hides_ranking(session, project)
    payload = Payload(image_until=None if urls is None else image_until(settings))
    for task in found:
        url = None if urls is None else urls.of(project.id, task.item_id)
        pushed: dict[str, Any] = {"data": data_of(task, project.uid, config, url)}
        if shows_suggestions and task.suggestion_class is not None:
            name = project.classes[task.suggestion_class]
            if name in config.answers and task.model_round is not None:
                version = f"round-{task.model_round}"
                prediction = {"model_version": version, "result": config.result_of(name)}
                pushed["predictions"] = [prediction]
                payload.model_version = version
        payload.tasks.append(pushed)
    return payload


def image_urls(
    session: Session, connection: LabelStudioConnection, project: Project, settings: Settings
) -> ImageUrls | None:
    """Return what makes the addresses of the project's images; None: it holds texts."""
    if project.modality != "image":
        return None
    base = f"{connection.public_url}{settings.root_path}"
    seconds = 2 * settings.label_studio_image_days * 86_400  # an address works half of it at least
    return ImageUrls(key_for(session, PURPOSE), round(seconds), base)


def image_until(settings: Settings) -> datetime:
    """Return until when an address made now works at least."""
    return datetime.now(UTC) + timedelta(days=settings.label_studio_image_days)
