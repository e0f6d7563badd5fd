"""The shapes of bodies: requests, responses, and errors as application/problem+json."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from app.domain.names import MAX_NAME, normalised

Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME),
    AfterValidator(normalised),
]


class Request(BaseModel):
    """A request body; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")


class Response(BaseModel):
    """A response body, read from rows or dataclasses."""

    model_config = ConfigDict(from_attributes=True)


class Problem(BaseModel):
    """An error, as application/problem+json; `code` is stable, `detail` says what to do."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str | None = None
    errors: list[dict[str, str | int | None]] | None = None
    parts: dict[str, str] | None = Field(
        None, description="Of `not_ready`: why each part does not work."
    )

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:svp:error:not_found",
                "title": "Not found",
                "status": 404,
                "code": "not_found",
                "detail": "There is no project 7. List the projects to see what exists.",
                "request_id": "0f3c",
            }
        }
    )


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's description of these error statuses (401 and 422 always included)."""
    return {
        status: {
            "description": "The error, as application/problem+json",
            "content": {"application/problem+json": {"schema": {"$ref": PROBLEM_REF}}},
        }
        for status in sorted({401, 422, *statuses})
    }


PROBLEM_REF = "#/components/schemas/Problem"


Comment = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=1000, pattern=r"^[^\x00]*$"),
]
