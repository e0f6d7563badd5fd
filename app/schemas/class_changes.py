"""Requests and responses of changes to a project's classes."""

from pydantic import ConfigDict, Field

from app.schemas.bodies import Request, Response
from app.services.class_changes import MAX_HINT, ClassChangeKind


class ClassChangeIn(Request):
    """A change: `name` and, by its kind, `to`, `hint` or `names`."""

    kind: ClassChangeKind
    name: str = Field("", description="The class; to add, the new one.")
    to: str = Field("", description="Its new name, or the class that it is merged into.")
    hint: str = Field("", max_length=MAX_HINT, description="For annotators; empty: none.")
    names: list[str] = Field([], description="All offered classes, in the order wanted.")

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"kind": "merge", "name": "awful", "to": "bad"}},
    )


class ShownClassOut(Response):
    """A class as people see it; no label may name a retired one."""

    name: str
    hint: str
    is_retired: bool

    model_config = ConfigDict(from_attributes=True)


class ClassChangeOut(Response):
    """The classes in the order shown, and what the change did, or would do (`is_dry_run`).

    `n_labels` standing labels of annotators name the class, `n_labeled` and `n_imported` pool items
    are of it; `n_models` learned it, or, of a new class, do not know it.
    """

    is_dry_run: bool
    n_labels: int
    n_labeled: int
    n_imported: int
    n_evaluation: int
    n_gold: int
    n_models: int
    sentences: list[str]
    classes: list[ShownClassOut]
