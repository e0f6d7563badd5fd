"""Requests and responses of tokens."""

from datetime import datetime

from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from app.db.tables import Role
from app.domain.names import Name
from app.schemas.bodies import Request, Response
from app.services.tokens import MAX_ANNOTATORS


class TokenCreate(Request):
    """A new token; the token is the annotator of this name.

    It names the project that it reaches, or says `all_projects`.
    """

    name: Name
    role: Role = Role.ANNOTATOR
    act_as: bool = Field(default=False, description="May pass `annotator`: for annotation tools.")
    annotators: list[Name] | None = Field(
        None, max_length=10_000, description="With act_as: only for these; null: for any."
    )
    max_annotators: int = Field(
        MAX_ANNOTATORS, ge=1, le=10_000, description="With act_as: for at most so many."
    )
    project_id: int | None = Field(None, description="Reaches only this project.")
    all_projects: bool = Field(
        default=False, description="Reaches every project, in place of project_id."
    )
    expires_at: AwareDatetime | None = None

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"name": "ada", "role": "annotator", "project_id": 1}},
    )

    @model_validator(mode="after")
    def _says_what_it_reaches(self) -> "TokenCreate":
        if (self.project_id is None) != self.all_projects:
            raise ValueError("give either project_id or all_projects=true: what the token reaches")
        if self.annotators is not None and not self.act_as:
            raise ValueError("annotators needs act_as=true")
        return self


class TokenOut(Response):
    """A token without its secret."""

    id: int
    name: str
    role: Role
    act_as: bool
    annotators: list[str] | None
    max_annotators: int
    project_id: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class TokenCreated(TokenOut):
    """A new token; `token` is shown only here."""

    token: str
