"""Requests and responses of projects."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from app.domain.annotation import MAX_LABELS_PER_ITEM, AnnotationOptions
from app.domain.audit import AuditRule
from app.domain.names import Name
from app.domain.states import ProjectState, RoundState
from app.domain.stopping import StopRule
from app.domain.triggers import Trigger
from app.schemas.bodies import KeysOf, Request, Response
from app.schemas.class_changes import ShownClassOut
from models.catalog import Modality
from selection.options import SelectionOptions

Budget = Annotated[int, Field(ge=1, le=2**40)]


DEFAULT_PROXY = {Modality.IMAGE: "preact8", Modality.TEXT: "tfidf"}


DEFAULT_TARGET = {Modality.IMAGE: "preact56", Modality.TEXT: "fasttext"}


class ModelSpec(Request):
    """A model by name, and the overrides of its recipe."""

    model: str = Field(description="Name of a model, e.g. preact20.")
    recipe: dict[str, Any] = Field(
        default_factory=dict,
        description="Overrides of the model's recipe, e.g. {epochs: 20}. `name` takes one of its "
        "recipes; without it each training chooses one for its number of labels.",
    )


class ProjectCreate(Request):
    """A new project."""

    name: Name
    modality: Modality
    classes: list[Name] = Field(max_length=10_000)
    proxy: ModelSpec | None = Field(None, description="Selects; preact8 or tfidf by default.")
    target: ModelSpec | None = Field(None, description="Is delivered; preact56 or fasttext.")
    strategy: str = "least_confidence"
    initial_budget: Budget = Field(description="Items of round 0.")
    round_budget: Budget = Field(description="Items of each later round.")
    total_budget: Budget = Field(description="Items that annotators label in all.")
    reserve: int | None = Field(
        None, ge=0, description="Items ranked after a batch; round_budget by default."
    )
    labels_per_item: int = Field(1, ge=1, le=MAX_LABELS_PER_ITEM)
    annotation: AnnotationOptions = Field(default_factory=AnnotationOptions)
    selection: SelectionOptions = Field(default_factory=SelectionOptions)
    trigger: Trigger = Field(default_factory=Trigger)
    stop_when: StopRule = Field(default_factory=StopRule)
    audit: AuditRule = Field(default_factory=AuditRule)
    seed: int = Field(0, ge=0, lt=2**31)
    measures_epochs: bool = Field(
        default=False,
        description="Measure each model on the evaluation split after every epoch of its training, "
        "too: accuracy_by_epoch of its metrics. The last epoch's model selects or is delivered.",
    )

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "name": "digits",
                "modality": "image",
                "classes": ["zero", "one"],
                "proxy": {"model": "preact8", "recipe": {"epochs": 20}},
                "target": {"model": "preact20", "recipe": {"epochs": 60}},
                "strategy": "least_confidence",
                "initial_budget": 100,
                "round_budget": 100,
                "total_budget": 500,
            }
        },
    )


class ProjectCopy(Request):
    """The name of a new project with the settings of another."""

    name: Name


class ProjectChange(Request):
    """Settings to change; those left out stay as they are.

    Of selection, trigger, stop_when and audit the given keys are changed; proxy and target are
    replaced.
    """

    name: Name | None = Field(None, description="In every state.")
    proxy: ModelSpec | None = None
    target: ModelSpec | None = None
    strategy: str | None = None
    initial_budget: Budget | None = Field(None, description="Before the start only.")
    round_budget: Budget | None = None
    total_budget: Budget | None = Field(
        None, description="At least what is labeled or handed out already."
    )
    reserve: int | None = Field(None, ge=0, le=2**40)
    selection: Annotated[dict[str, Any] | None, KeysOf(SelectionOptions)] = None
    trigger: Annotated[dict[str, Any] | None, KeysOf(Trigger)] = None
    stop_when: Annotated[dict[str, Any] | None, KeysOf(StopRule)] = None
    audit: Annotated[dict[str, Any] | None, KeysOf(AuditRule)] = None

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"round_budget": 50, "trigger": {"retrain_fraction": 0.8}},
        },
    )

    @model_validator(mode="after")
    def _no_null(self) -> "ProjectChange":
        nulls = [name for name in sorted(self.model_fields_set) if getattr(self, name) is None]
        if nulls:
            raise ValueError(f"{', '.join(nulls)} may not be null; leave out what is to stay")
        return self


class RoundRef(Response):
    """The newest round of a project."""

    number: int
    state: RoundState


class ProjectOut(Response):
    """A project and its progress; counts are of items."""

    id: int
    name: str
    state: ProjectState
    modality: Modality
    classes: list[str] = Field(description="By index, retired ones as well.")
    class_list: list[ShownClassOut] = Field([], description="In the order shown.")
    proxy: dict[str, Any]
    target: dict[str, Any]
    strategy: str
    initial_budget: int
    round_budget: int
    total_budget: int
    reserve: int
    labels_per_item: int
    annotation: dict[str, Any]
    selection: dict[str, Any]
    trigger: dict[str, Any]
    stop_when: dict[str, Any]
    audit: dict[str, Any]
    features_hash: str | None
    evaluation_features_hash: str | None
    seed: int
    measures_epochs: bool
    n_pool: int
    n_evaluation: int
    n_labeled: int
    n_imported: int
    n_skipped: int
    round: RoundRef | None = None
    created_at: datetime
    finished_at: datetime | None
    archived_at: datetime | None


class ProgressOut(Response):
    """One annotator's own progress: items done and items held."""

    n_labeled: int
    n_skipped: int
    n_held: int


class AnnotatorProjectOut(Response):
    """A project as annotators see it; `progress` is their own, not shown in lists."""

    id: int
    name: str
    state: ProjectState
    modality: Modality
    classes: list[str] = Field(description="That labels may name, in the order shown.")
    class_hints: dict[str, str] = Field({}, description="By class, where there is one.")
    progress: ProgressOut | None = None


class ProjectPage(Response):
    """Projects by id; `next_cursor` asks for the following page."""

    projects: list[ProjectOut | AnnotatorProjectOut]
    next_cursor: int | None
