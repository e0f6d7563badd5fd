"""Advice on the proxy: which candidates are tried, and by whom it is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import projects
from app.db.tables import Analysis, AnalysisKind, Job, Project
from app.domain.audit import TARGETS
from app.domain.errors import AnalysisInvalid, InvalidProject
from app.services.analyses import create_analysis
from app.services.audits import N_SAMPLE, audited_strategy
from app.services.projects import ModelBounds, ModelChoice, resolve_model
from models.catalog import Modality, setup_from_json

EPOCH_SHARES = (1 / 8, 1 / 4, 1 / 2)
# Of the catalog, the cheapest first.
MODELS_TO_TRY = {
    Modality.TEXT: (
        ("tfidf", ModelChoice("tfidf")),
        ("fasttext, fast", ModelChoice("fasttext", {"name": "fast"})),
        ("fasttext", ModelChoice("fasttext")),
    ),
    Modality.IMAGE: (
        ("preact8, fast", ModelChoice("preact8", {"name": "fast"})),
        ("preact20, fast", ModelChoice("preact20", {"name": "fast"})),
        ("preact8", ModelChoice("preact8")),
        ("preact20", ModelChoice("preact20")),
    ),
}


@dataclass(frozen=True)
class CandidateIn:
    """A proxy to try, by a name of the caller's."""

    name: str
    model: ModelChoice


@dataclass(frozen=True)
class ProxyAdviceIn:
    """Advice as it is asked for.

    Attributes:
        seconds: budget on the clock, of all trainings and scorings; two trainings of the target
            count in it, and are done in any case.
        strategy: whose scores are compared; None: that of the newest round.
        n_sample: unlabeled items to score.
        candidates: to try in this order; none: those of the service.
    """

    seconds: float
    strategy: str | None = None
    n_sample: int = N_SAMPLE
    candidates: Sequence[CandidateIn] = field(default_factory=tuple)


def ask_proxy_advice(
    session: Session, project_id: int, wanted: ProxyAdviceIn, settings: Settings
) -> tuple[Analysis, Job]:
    """Ask which proxy is the cheapest that scores as the target does.

    Raises:
        NotFound: there is no such project.
        AnalysisInvalid: a candidate is not one for this project, two have one name, the strategy
            has no scores of a model, or nothing can be trained yet.
    """
    project = projects.lock(session, project_id)
    strategy = audited_strategy(session, project, wanted.strategy)
    candidates = wanted.candidates or default_candidates(project)
    names = [candidate.name for candidate in candidates]
    if len({*names, *TARGETS}) < len(names) + len(TARGETS):
        raise AnalysisInvalid(
            f"Two candidates have the same name, or one is called {' or '.join(TARGETS)}; give "
            "each a name of its own."
        )
    options = {
        "strategy": strategy,
        "n_sample": wanted.n_sample,
        "seconds": wanted.seconds,
        "target": project.target,
        "candidates": [
            {"name": c.name, **_resolved(project, c, settings.most_model_bytes)} for c in candidates
        ],
    }
    return create_analysis(session, project, AnalysisKind.PROXY_ADVICE, options, settings)


def default_candidates(project: Project) -> list[CandidateIn]:
    """Return what is tried by default, roughly the cheapest first.

    A probe where features were brought, the catalog's small models, the target with fewer epochs,
    and the project's proxy.
    """
    found = []
    if project.features_hash is not None and project.n_featured == project.n_pool:
        found.append(CandidateIn("probe", ModelChoice("probe")))
    found += [CandidateIn(*entry) for entry in MODELS_TO_TRY[Modality(project.modality)]]
    target = setup_from_json(project.target).for_labels(project.n_labeled + project.n_imported)
    epochs = target.recipe.epochs
    for share in EPOCH_SHARES:
        n = max(1, round(share * epochs))
        if n < epochs:
            recipe = {**target.recipe.to_json(), "epochs": n}
            found.append(CandidateIn(f"target's, {n} epochs", ModelChoice(target.model, recipe)))
    return [*found, CandidateIn("present proxy", ModelChoice.of_stored(project.proxy))]


def _resolved(project: Project, candidate: CandidateIn, most_bytes: int | None) -> dict[str, Any]:
    bounds = ModelBounds(project.modality, len(project.classes), most_bytes)
    takes_vectors = project.features_hash is not None
    try:
        return resolve_model(
            f"candidates: {candidate.name}", candidate.model, bounds, takes_vectors=takes_vectors
        )
    except InvalidProject as error:
        raise AnalysisInvalid(error.detail) from None
