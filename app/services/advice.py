"""Measures of a project's rounds, and the advice that follows: label more, or stop."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from app.db.queries import models, rounds
from app.db.tables import Model, Project, Round
from app.domain.json_fields import from_json
from app.domain.learning_curve import CurvePoint, Gain, Share, expected_gain, falls_faster
from app.domain.stopping import Advice, Evidence, StopRule, advise, should_stop
from app.services.newest_audit import Audit, newest_audit


@dataclass(frozen=True)
class MeasuredRound:
    """A round with a trained proxy, and how good that proxy is.

    Attributes:
        evaluation: items of the evaluation split that it predicts right.
        control: items of its own control arm that it predicted right, before any training on them.
        stability: of its predictions against those of the round before; {} where not measured.
    """

    round_: Round
    model: Model
    evaluation: Share | None
    control: Share | None
    stability: dict[str, Any]


@dataclass(frozen=True)
class ProjectAdvice:
    """The advice, its evidence, where the expected gain was measured, and the newest audit."""

    advice: Advice
    rounds: list[MeasuredRound]
    gain: Gain | None
    measured_on: str | None
    audit: Audit | None


def read_advice(session: Session, project: Project, n_next: int) -> ProjectAdvice:
    """Return the advice for a project whose next batch would hold `n_next` items."""
    measured, evidence, measured_on = _gather(session, project, n_next)
    advice = advise(from_json(StopRule, project.stop_when), evidence)
    audit = newest_audit(session, project)
    if audit is not None:
        advice = replace(advice, reasons=(*advice.reasons, audit.sentence))
    return ProjectAdvice(advice, measured, evidence.gain, measured_on, audit)


def reasons_to_stop(session: Session, project: Project, n_next: int) -> list[str]:
    """Return why the project's `stop_when` ends its labeling now, between two rounds; [] = not."""
    rule = from_json(StopRule, project.stop_when)
    if not rule.is_set:
        return []
    _, evidence, _ = _gather(session, project, n_next)
    return list(advise(rule, evidence).reasons) if should_stop(rule, evidence) else []


def _gather(
    session: Session, project: Project, n_next: int
) -> tuple[list[MeasuredRound], Evidence, str | None]:
    measured = _measured_rounds(session, project)
    points, measured_on = _points_of_present_proxy(measured)
    gain = None
    if n_next > 0:
        n_known = project.n_labeled + project.n_imported
        rng = np.random.default_rng([project.seed, len(points)])  # asked again, the same answer
        gain = expected_gain(points, n_known, n_known + n_next, rng)
    kappas = [m.stability.get("kappa") for m in measured]
    return measured, Evidence(kappas, gain, n_next, falls_faster(points)), measured_on


def _measured_rounds(session: Session, project: Project) -> list[MeasuredRound]:
    by_id = {model.id: model for model in models.list_all(session, project.id)}
    control = rounds.control_shares(session, project.id)
    return [
        MeasuredRound(
            round_,
            by_id[round_.model_id],
            _evaluation_share(by_id[round_.model_id]),
            control.get(round_.id),
            round_.stability,
        )
        for round_ in rounds.list_all(session, project.id)
        if round_.model_id in by_id
    ]


def _evaluation_share(model: Model) -> Share | None:
    n = model.metrics.get("n_evaluation", 0)
    return Share(round(model.metrics["accuracy"] * n), n) if n else None


def _asked(measured: MeasuredRound) -> tuple[str, Any]:
    is_chosen = measured.model.provenance.get("recipe_name") is not None
    recipe = measured.round_.settings["proxy"] if is_chosen else measured.model.recipe_hash
    return measured.model.name, recipe


def _points_of_present_proxy(
    measured: list[MeasuredRound],
) -> tuple[list[CurvePoint], str | None]:
    """Return the curve of the newest proxy; another model or recipe has another curve.

    A recipe that each training chooses for its labels is one recipe.
    """
    if not measured:
        return [], None
    newest = _asked(measured[-1])
    of_newest = [m for m in measured if _asked(m) == newest]
    for measured_on in ("evaluation", "control"):
        points = [
            CurvePoint(m.model.n_labeled, share)
            for m in of_newest
            if (share := getattr(m, measured_on)) is not None
        ]
        if points:
            return points, measured_on
    return [], None
