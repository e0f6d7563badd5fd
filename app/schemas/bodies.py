"""The shapes of bodies: requests, responses, and errors as application/problem+json."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, get_args, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
    ValidatorFunctionWrapHandler,
)
from pydantic_core import CoreSchema, core_schema


class Request(BaseModel):
    """A request body; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class KeysOf:
    """Annotation of a JSON object that holds some fields of a settings dataclass, checked as such.

    Attributes:
        kind: the dataclass; the metadata of its fields holds their bounds.
        skips_null: whether null leaves a field that cannot be null as it is.
    """

    kind: type[Any]
    skips_null: bool = False

    def __get_pydantic_core_schema__(
        self, _source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Return a schema that checks the given fields and yields these alone."""

        def check(given: Any, validate: ValidatorFunctionWrapHandler) -> dict[str, Any]:
            if self.skips_null and isinstance(given, dict):
                given = {k: v for k, v in given.items() if v is not None or k not in self._required}
            checked = asdict(validate(given))
            return {name: checked[name] for name in given}

        return core_schema.no_info_wrap_validator_function(
            check,
            handler.generate_schema(self.kind),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda given: given),
        )

    @property
    def _required(self) -> set[str]:
        """Names of the fields that cannot be null."""
        return {n for n, h in get_type_hints(self.kind).items() if type(None) not in get_args(h)}


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
        None, description="With `not_ready`: the reason why each part does not work."
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
