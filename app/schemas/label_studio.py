"""Requests and responses of a project's connection to Label Studio."""

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field, SecretStr, StringConstraints

from app.db.tables import RoundEnd
from app.schemas.bodies import Request, Response

Url = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[\x20-\x7e]*$"
    ),
]
Token = Annotated[SecretStr, Field(min_length=1, max_length=4000)]


class LabelStudioConnect(Request):
    """A wanted connection; the token is never shown again."""

    url: Url = Field(description="Base URL of Label Studio, as this service reaches it.")
    token: Token = Field(description="Of one of its users: a personal access or a legacy token.")
    project_there: int | None = Field(
        None, ge=1, le=2**31 - 1, description="Its project; null: a new one is created."
    )
    public_url: Url | None = Field(
        None,
        description="Base URL of this service, as browsers and Label Studio reach it: for images "
        "and webhooks.",
    )
    browser_url: Url | None = Field(
        None, description="Base URL of Label Studio, as browsers reach it; null: as this service."
    )
    round_end: RoundEnd = Field(
        RoundEnd.DELETE, description="What becomes of unlabeled tasks of a round that ends early."
    )

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "url": "https://label-studio.example.org",
                "token": "0123456789abcdef0123456789abcdef01234567",
                "public_url": "https://svp.example.org",
            }
        },
    )


class LabelStudioSync(Request):
    """How to exchange."""

    again: bool = Field(
        default=False, description="Push items, too, whose tasks were deleted there."
    )


class LabelStudioOut(Response):
    """A connection without its token.

    `synced_at` is the last exchange that succeeded, `begun_at` the beginning of the last one.
    `error` says why it failed `n_failures` times in a row since. `waiting` counts annotations that
    cannot be taken yet, by the reason. Without `has_webhook` answers are found by polling alone.
    """

    url: str
    project_there: int
    browser_origin: str
    public_url: str | None
    round_end: RoundEnd
    has_webhook: bool
    begun_at: datetime | None
    synced_at: datetime | None
    failed_at: datetime | None
    n_failures: int
    error_code: str | None
    error: str | None
    n_tasks: int
    n_tasks_gone: int
    n_foreign_tasks: int
    n_waiting: int
    waiting: dict[str, int]
    created_at: datetime


class LabelStudioConnected(LabelStudioOut):
    """A connection that was made or changed; `webhook_fault` says why no webhook wakes us."""

    title: str
    is_new: bool
    webhook_fault: str | None
