"""Creates projects, and checks their settings as a whole, here and when they change."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.db.queries import projects
from app.db.tables import Project
from app.domain.audit import AuditRule
from app.domain.errors import InvalidProject, NameTaken
from app.domain.json_fields import SettingError, from_json
from app.domain.names import normalised
from app.domain.quotes import listed
from app.domain.states import ProjectState
from app.domain.stopping import StopRule
from app.domain.triggers import Trigger
from app.services.annotation_settings import checked_annotation, introduce
from models.catalog import Modality, ModelError, find_model, models_for, resolve_choice
from models.recipe import RecipeError
from models.size import check_size
from selection.catalog import Purpose, find_strategy
from selection.errors import SelectionError
from selection.options import FeatureSource, SelectionOptions

SETTINGS = (
    "modality", "classes", "class_settings", "proxy", "target", "strategy", "initial_budget",
    "round_budget", "total_budget", "reserve", "labels_per_item", "annotation", "selection",
    "trigger", "stop_when", "seed", "measures_epochs", "audit",
)  # fmt: skip
Setting = TypeVar("Setting", SelectionOptions, Trigger, StopRule, AuditRule)


@dataclass(frozen=True)
class ModelChoice:
    """A model by name, and the overrides of its recipe."""

    model: str
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_stored(cls, stored: Mapping[str, Any]) -> "ModelChoice":
        """Return the choice that a project's stored proxy or target came from."""
        return cls(stored["model"], stored.get("auto", stored["recipe"]))


@dataclass(frozen=True)
class ModelBounds:
    """Limits that a project's models must fit: items, classes, a worker's memory where known."""

    modality: str
    n_classes: int
    most_bytes: int | None


@dataclass(frozen=True)
class ProjectIn:
    """A new project's settings."""

    name: str
    modality: str
    classes: Sequence[str]
    proxy: ModelChoice
    target: ModelChoice
    strategy: str
    initial_budget: int
    round_budget: int
    total_budget: int
    reserve: int
    labels_per_item: int
    seed: int
    selection: Mapping[str, Any] = field(default_factory=dict)
    annotation: Mapping[str, Any] = field(default_factory=dict)
    trigger: Mapping[str, Any] = field(default_factory=dict)
    stop_when: Mapping[str, Any] = field(default_factory=dict)
    audit: Mapping[str, Any] = field(default_factory=dict)
    measures_epochs: bool = False


def create_project(
    session: Session, settings: ProjectIn, most_model_bytes: int | None = None
) -> Project:
    """Create a draft project, whose models take at most so much memory where a limit is given.

    Raises:
        InvalidName: the project's name, or a class's, is blank or invisible.
        InvalidProject: a setting is unknown or contradicts another.
        NameTaken: another project has this name.
    """
    classes = [normalised(name) for name in settings.classes]
    if len(classes) < 2:
        raise InvalidProject("Give at least two classes, each with a name.")
    doubled = sorted(name for name, n in Counter(classes).items() if n > 1)
    if doubled:
        raise InvalidProject(
            f"Two classes have the same name: {listed(doubled)}. Give each its own."
        )
    annotation = checked_annotation(settings.annotation, settings.labels_per_item)
    introduce(session, annotation.adjudicators)
    check_initial_budget(settings.initial_budget, settings.total_budget)
    project = Project(
        name=normalised(settings.name),
        modality=settings.modality,
        classes=classes,
        initial_budget=settings.initial_budget,
        round_budget=settings.round_budget,
        total_budget=settings.total_budget,
        reserve=settings.reserve,
        labels_per_item=settings.labels_per_item,
        annotation=annotation.to_json(),
        seed=settings.seed,
        measures_epochs=settings.measures_epochs,
        state=ProjectState.DRAFT,
        **checked_settings(settings, most_model_bytes),
    )
    return _added(session, project)


def copy_project(session: Session, project_id: int, name: str) -> Project:
    """Create a draft with the classes and settings of a project, without its items and labels.

    Raises:
        NotFound: no such project.
        InvalidName: the name is blank or invisible.
        NameTaken: another project has this name.
    """
    source = projects.get(session, project_id)
    kept = {setting: getattr(source, setting) for setting in SETTINGS}
    project = Project(name=normalised(name), state=ProjectState.DRAFT, **kept)
    return _added(session, project)


def _added(session: Session, project: Project) -> Project:
    with unique_name(session, project.name):
        session.add(project)
    session.refresh(project)
    return project


@contextmanager
def unique_name(session: Session, name: str) -> Iterator[None]:
    """Write what the block adds or renames.

    Raises:
        NameTaken: another project has this name.
    """
    try:
        with session.begin_nested():
            yield
    except IntegrityError as error:
        if "uq_projects_name" not in str(error.orig):
            raise
        raise NameTaken(f"A project is already called {name!r}.") from None


def check_initial_budget(initial_budget: int, total_budget: int) -> None:
    """Check that round 0 fits into the total budget.

    Raises:
        InvalidProject: it does not.
    """
    if initial_budget > total_budget:
        raise InvalidProject(
            f"initial_budget {initial_budget} is larger than total_budget {total_budget}; make it "
            "at most that."
        )


def checked_settings(settings: ProjectIn, most_model_bytes: int | None) -> dict[str, Any]:
    """Return the settings that have defaults, completed, by column.

    Raises:
        InvalidProject: one is unknown or contradicts another.
    """
    try:
        find_strategy(settings.strategy, Purpose.BATCH)
    except SelectionError as error:
        raise InvalidProject(f"strategy: {error}") from None
    options = _checked("selection", SelectionOptions, settings.selection)
    try:
        options.check_cold_start()
        options.check_strategy(settings.strategy)
    except ValueError as error:
        raise InvalidProject(f"selection: {error}") from None
    takes_vectors = options.features is FeatureSource.BROUGHT
    bounds = ModelBounds(settings.modality, len(settings.classes), most_model_bytes)
    return {
        "strategy": settings.strategy,
        "selection": options.to_json(),
        "proxy": resolve_model("proxy", settings.proxy, bounds, takes_vectors=takes_vectors),
        "target": resolve_model("target", settings.target, bounds),
        "trigger": _checked("trigger", Trigger, settings.trigger).to_json(),
        "stop_when": _checked("stop_when", StopRule, settings.stop_when).to_json(),
        "audit": _checked("audit", AuditRule, settings.audit).to_json(),
    }


def _checked(part: str, kind: type[Setting], values: Mapping[str, Any]) -> Setting:
    try:
        return from_json(kind, values)
    except SettingError as error:
        raise InvalidProject(f"{part}: {error}") from None


def resolve_model(
    part: str, choice: ModelChoice, bounds: ModelBounds, *, takes_vectors: bool = False
) -> dict[str, Any]:
    """Return {model, recipe} with the whole recipe, so that later defaults change nothing.

    Where no recipe is named, `auto` holds what is changed in the one that each training chooses.

    Args:
        part: of the settings, for the refusal.
        choice: what was asked for.
        bounds: what the project's items and the workers allow.
        takes_vectors: whether a model on vectors may stand here, for it gets brought features.

    Raises:
        InvalidProject: an unknown model or recipe, one that no worker could hold, or a model for
            other items.
    """
    modality = bounds.modality
    try:
        setup = resolve_choice(choice.model, choice.recipe)
        setup.recipe.check_weights_name()
        info = find_model(choice.model)
        check_size(info, setup.recipe, bounds.n_classes, bounds.most_bytes)
    except (ModelError, RecipeError) as error:
        raise InvalidProject(f"{part}: {error}") from None
    if takes_vectors and info.modality is None:
        return setup.to_json()
    if info.modality is None:
        raise InvalidProject(
            f"{part}: {choice.model} takes frozen features; it can be the proxy of a project whose "
            "selection.features is brought, or make a core-set where features were brought."
        )
    if info.modality != modality:
        raise InvalidProject(
            f"{part}: {choice.model} takes {info.modality}, the project holds "
            f"{modality} items; use {', '.join(models_for(Modality(modality)))}."
        )
    return setup.to_json()
