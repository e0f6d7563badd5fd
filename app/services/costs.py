"""The costs of a project: annotators' time, workers' seconds, and what they are worth."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import analyses, core_sets, labels, models, rounds
from app.db.queries.labels import AnnotatorTime
from app.db.tables import Analysis, AnalysisKind, Job, Model, ModelRole, Project, Round
from app.domain.costs import (
    Basis,
    SelectingRound,
    TargetSelection,
    TargetTiming,
    selection_by_target,
)

HOUR = 3600.0


class Purpose(StrEnum):
    """The purposes of workers' seconds; PROXY: training it and selecting by it, round by round."""

    PROXY = "proxy"
    TARGET = "target"
    ANALYSES = "analyses"
    CORE_SETS = "core_sets"


@dataclass(frozen=True)
class WorkerCost:
    """Seconds of workers for one purpose, on the clock and of CPU cores, and their price."""

    purpose: Purpose
    seconds: float
    cpu_seconds: float
    price: float | None


@dataclass(frozen=True)
class AnnotatorCost:
    """Annotators' time: that of labels without seconds is estimated by the mean of the others."""

    n_labels: int
    n_timed: int
    minutes: float | None
    is_estimated: bool
    price: float | None


@dataclass(frozen=True)
class TargetCost:
    """The seconds and price of the same selections by the target; None where nothing tells."""

    selection: TargetSelection
    price: float | None


@dataclass(frozen=True)
class Costs:
    """The ledger of a project; `saved` is the newest answered estimate of labels saved."""

    annotators: AnnotatorCost
    workers: list[WorkerCost]
    target_selection: TargetCost | None
    saved: tuple[Analysis, Job] | None
    saved_price: float | None
    total_price: float | None


def read_costs(session: Session, project: Project, settings: Settings) -> Costs:
    """Return the project's costs so far, in the currency of the settings' prices."""
    all_rounds = rounds.list_all(session, project.id)
    all_models = models.list_all(session, project.id)
    all_analyses = [
        row for kind in AnalysisKind for row in analyses.list_all(session, project.id, kind)
    ]
    time = labels.annotator_time(session, project.id)
    annotators = _annotators(time, settings)
    workers = list(
        _workers(
            {
                Purpose.PROXY: all_rounds,
                Purpose.TARGET: [m for m in all_models if m.role == ModelRole.TARGET],
                Purpose.ANALYSES: [analysis for analysis, _ in all_analyses],
                Purpose.CORE_SETS: [each for each, _ in core_sets.list_all(session, project.id)],
            },
            settings,
        )
    )
    timings = [*_of_audits(all_analyses), *_of_targets(all_models)]
    by_target = selection_by_target(_selecting(project, all_rounds), timings)
    saved = next(
        (
            r
            for r in reversed(all_analyses)
            if r[0].kind == AnalysisKind.LABELS_SAVED and r[0].result
        ),
        None,
    )
    prices = [annotators.price, *(cost.price for cost in workers)]
    known = [price for price in prices if price is not None]
    return Costs(
        annotators=annotators,
        workers=workers,
        target_selection=TargetCost(
            by_target, _price(by_target.seconds, settings.worker_hour_price)
        )
        if by_target
        else None,
        saved=saved,
        saved_price=_saved_price(saved[0], time, project, settings) if saved else None,
        total_price=sum(known) if known else None,
    )


def _price(seconds: float | None, per_hour: float | None) -> float | None:
    return None if seconds is None or per_hour is None else seconds / HOUR * per_hour


def _annotators(time: AnnotatorTime, settings: Settings) -> AnnotatorCost:
    seconds = None if time.mean is None else time.mean * time.n_labels
    return AnnotatorCost(
        n_labels=time.n_labels,
        n_timed=time.n_timed,
        minutes=None if seconds is None else seconds / 60,
        is_estimated=0 < time.n_timed < time.n_labels,
        price=_price(seconds, settings.annotator_hour_price),
    )


def _workers(made: Mapping[Purpose, Iterable[Any]], settings: Settings) -> Iterator[WorkerCost]:
    for purpose, rows in made.items():
        spent = [(sum(row.seconds.values()), sum(row.cpu_seconds.values())) for row in rows]
        seconds, cpu_seconds = sum(s for s, _ in spent), sum(c for _, c in spent)
        price = _price(seconds, settings.worker_hour_price)
        yield WorkerCost(purpose, seconds, cpu_seconds, price)


def _selecting(project: Project, all_rounds: Sequence[Round]) -> list[SelectingRound]:
    return [
        SelectingRound(
            n_labeled=round_.n_labeled or 0,
            n_scored=max(0, project.n_pool - (round_.n_labeled or 0)),
            **{
                part: round_.seconds.get(part, 0.0)
                for part in ("training", "inference", "selection")
            },
        )
        for round_ in all_rounds
        if round_.model_id is not None and round_.labeling_at is not None
    ]


def _of_audits(rows: Iterable[tuple[Analysis, Job]]) -> Iterator[TargetTiming]:
    for analysis, _ in rows:
        result = analysis.result
        if result is None:
            continue
        compared = result.get("comparison", result)
        for target in compared.get("targets", ()):
            yield TargetTiming(
                Basis.AUDIT,
                analysis.n_labeled or 0,
                target["train_seconds"],
                target["score_seconds"] / max(1, compared["n_sample"]),
            )


def _of_targets(all_models: Iterable[Model]) -> Iterator[TargetTiming]:
    for model in all_models:
        if model.role != ModelRole.TARGET or "training" not in model.seconds:
            continue
        n = model.metrics.get("n_evaluation") or 0
        score = model.seconds.get("evaluation", 0.0) / n if n else 0.0
        yield TargetTiming(Basis.TARGET_JOB, model.n_labeled, model.seconds["training"], score)


def _saved_price(
    saved: Analysis, time: AnnotatorTime, project: Project, settings: Settings
) -> float | None:
    n = (saved.result or {}).get("saved")
    if n is None or time.mean is None:
        return None
    return _price(n * project.labels_per_item * time.mean, settings.annotator_hour_price)
