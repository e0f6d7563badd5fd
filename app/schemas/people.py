"""Requests and responses of a project's people and invitations."""

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field

from app.domain.roles import Role
from app.schemas.bodies import Request, Response

MAX_DAYS = 365
MAX_USES = 1000


class MemberOut(Response):
    """A person with a role in the project."""

    name: str
    role: Role
    joined_at: datetime
    last_seen_at: datetime | None = Field(description="By their browser; null: never.")


class InvitationCreate(Request):
    """A new link by which people join the project."""

    role: Literal["annotator", "reader", "lead"] = "annotator"
    days: float = Field(7, gt=0, le=MAX_DAYS, description="When it ends.")
    max_uses: int = Field(1, ge=1, le=MAX_USES, description="How many people it lets in.")

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"role": "annotator", "days": 7, "max_uses": 20}},
    )


class InvitationOut(Response):
    """An invitation without its link."""

    id: int
    role: Role
    max_uses: int
    n_used: int
    created_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    is_open: bool = Field(description="It still lets somebody in.")


class InvitationCreated(InvitationOut):
    """A new invitation; its link is shown only here."""

    link: str = Field(description="For a browser: relative to the service's own address.")


class MemberLink(Response):
    """A link that signs a member in, once."""

    link: str = Field(description="For a browser: relative to the service's own address.")
