"""Requests and responses of tokens."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints

from app.db.tables import Role
from app.schemas.bodies import Request, Response


class TokenCreate(Request):
    """A new token; the token is the annotator of this name."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    role: Role = Role.ANNOTATOR
    act_as: bool = Field(default=False, description="May pass `annotator`: for annotation tools.")
    project_id: int | None = Field(None, description="Reaches only this project.")
    expires_at: AwareDatetime | None = None

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"name": "ada", "role": "annotator"}}
    )


class TokenOut(Response):
    """A token without its secret."""

    id: int
    name: str
    role: Role
    act_as: bool
    project_id: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class TokenCreated(TokenOut):
    """A new token; `token` is shown only here."""

    token: str
