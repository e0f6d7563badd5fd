"""Core-sets: requests to select the labeled items to keep for training."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import labels, projects
from app.db.tables import CoreSet, Job, JobKind, Project
from app.domain.errors import CoreSetInvalid
from app.services.projects import ModelBounds, ModelChoice, resolve_model
from app.services.rounds import create_job
from models.catalog import Encoding, find_model, setup_from_json
from models.recipe import recipe_from_json
from selection.catalog import Purpose, Signal, find_strategy, needed_of, needs_model
from selection.errors import SelectionError


@dataclass(frozen=True)
class CoreSetIn:
    """A requested core-set; exactly one of fraction and budget is set."""

    strategy: str
    fraction: float | None = None
    budget: int | None = None
    model: str | None = None
    recipe: dict[str, Any] = field(default_factory=dict)
    epochs: int | None = None
    class_balance: bool = False
    initial_uniform: int = 0
    seed: int | None = None
    draw_seed: int | None = None
    score_epochs: list[int] = field(default_factory=list)


def create_core_set(
    session: Session, project_id: int, wanted: CoreSetIn, settings: Settings
) -> tuple[CoreSet, Job]:
    """Create a core-set and its job; the labels are those at the job's first attempt.

    Raises:
        NotFound: there is no such project.
        CoreSetInvalid: a setting is unknown, contradicts another, or does not fit the labels.
    """
    project = projects.lock(session, project_id)
    _check_strategy(session, project, wanted)
    choice = _resolve_selector(project, wanted, settings)
    _check_selector(project, choice["model"], wanted.strategy)
    _check_score_epochs(wanted, choice)
    budget = _budget(wanted, project.n_labeled + project.n_imported)
    core_set = CoreSet(
        project_id=project.id,
        strategy=wanted.strategy,
        budget=budget,
        class_balance=wanted.class_balance,
        initial_uniform=wanted.initial_uniform,
        model=choice["model"],
        recipe=choice["recipe"],
        seed=project.seed if wanted.seed is None else wanted.seed,
        draw_seed=wanted.draw_seed,
        score_epochs=sorted(set(wanted.score_epochs)),
    )
    session.add(core_set)
    session.flush()
    job = create_job(session, project, JobKind.SELECT_CORE_SET, core_set, settings.job_max_attempts)
    session.refresh(core_set)
    session.refresh(job)
    return core_set, job


def _check_strategy(session: Session, project: Project, wanted: CoreSetIn) -> None:
    try:
        find_strategy(wanted.strategy, Purpose.CORE_SET)
    except SelectionError as error:
        raise CoreSetInvalid(str(error)) from None
    n_classes = labels.n_classes_resolved(session, project.id)
    if n_classes < 2 and needs_model(wanted.strategy):
        raise CoreSetInvalid(
            f"The labels hold {n_classes} of the project's classes, but {wanted.strategy} trains a "
            "model, which needs two. Label items of another class, or use uniform."
        )


def _check_selector(project: Project, model: str, strategy: str) -> None:
    if find_model(model).encoding is Encoding.VECTORS and project.features_hash is None:
        raise CoreSetInvalid(
            f"{model} takes brought features, but none were brought: PUT them to "
            f"/projects/{project.id}/features, or name another model."
        )
    counts = Signal.FORGETTING_COUNTS in needed_of(strategy)
    if counts and not find_model(model).counts_forgetting:
        raise CoreSetInvalid(
            f"{strategy} needs forgetting events, which the training of {model} does not count; "
            "name another model, or another strategy."
        )


def _check_score_epochs(wanted: CoreSetIn, choice: dict[str, Any]) -> None:
    if not wanted.score_epochs:
        return
    if not needs_model(wanted.strategy):
        raise CoreSetInvalid(
            f"score_epochs asks for scores of a model, but {wanted.strategy} trains none; name "
            "another strategy, or leave score_epochs out."
        )
    model, epochs = choice["model"], recipe_from_json(choice["recipe"]).epochs
    if max(wanted.score_epochs) > epochs:
        raise CoreSetInvalid(
            f"score_epochs goes up to {max(wanted.score_epochs)}, but {model} is trained for "
            f"{epochs} epochs."
        )
    if find_model(model).trainer is not None and min(wanted.score_epochs) < epochs:
        raise CoreSetInvalid(
            f"{model} is trained in one piece and scores after its last epoch only: score_epochs "
            f"may be [{epochs}]."
        )


def _budget(wanted: CoreSetIn, n_labeled: int) -> int:
    if (wanted.fraction is None) == (wanted.budget is None):
        raise CoreSetInvalid("Give either fraction or budget.")
    budget = wanted.budget if wanted.budget is not None else round(wanted.fraction * n_labeled)  # type: ignore[operator]
    if not 1 <= budget < n_labeled:
        raise CoreSetInvalid(
            f"A core-set of {budget} out of {n_labeled} labeled items is none: keep at least 1 and "
            "fewer than are labeled."
        )
    if wanted.initial_uniform > budget:
        raise CoreSetInvalid(
            f"initial_uniform {wanted.initial_uniform} counts inside the budget, which is {budget}."
        )
    return budget


def _own_selector(project: Project, strategy: str) -> dict[str, Any]:
    """Return the project's proxy, or its target where only that counts what the strategy needs."""
    counts = Signal.FORGETTING_COUNTS in needed_of(strategy)
    able = find_model(project.proxy["model"]).counts_forgetting
    return project.target if counts and not able else project.proxy


def _resolve_selector(project: Project, wanted: CoreSetIn, settings: Settings) -> dict[str, Any]:
    """Return {model, recipe}: the requested model, by default one of the project's own.

    Where no recipe is named, it is the one for the labels at hand.
    """
    overrides = dict(wanted.recipe)
    if wanted.epochs is not None:
        overrides["epochs"] = wanted.epochs
    own = _own_selector(project, wanted.strategy)
    model = wanted.model or own["model"]
    found = dict(own)
    if model != own["model"] or overrides:
        choice = ModelChoice(model, overrides)
        bounds = ModelBounds(project.modality, len(project.classes), settings.most_model_bytes)
        found = resolve_model("model", choice, bounds, takes_vectors=True)
    chosen = setup_from_json(found).for_labels(project.n_labeled + project.n_imported)
    return chosen.to_json()
