"""Annotators of a project as an admin sees them, and pausing them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import annotators, events, gold, labels, projects, tokens
from app.db.queries.gold import GoldScore
from app.db.queries.labels import AnnotatorWork
from app.domain.agreement import wilson_interval
from app.domain.errors import NotFound
from app.domain.names import normalised
from app.services.answers import lock_accepting
from app.services.excluded_labels import trust_labels
from app.services.gold import pause
from app.services.leases import after_freeing, release_expired


@dataclass(frozen=True)
class GoldAccuracy:
    """Share of gold answered rightly, with its 95% interval; None without answers."""

    n_answers: int
    n_right: int
    accuracy: float | None
    low: float
    high: float


@dataclass(frozen=True)
class AnnotatorFacts:
    """One annotator's labels, accuracy on gold and, if they are paused, the reason."""

    name: str
    n_labels: int
    n_on_reserve: int
    labels_behind_median: float
    seconds_median: float | None
    last_label_at: datetime | None
    n_flagged: int
    n_excluded: int
    gold: GoldAccuracy
    paused: str | None


def read_work(session: Session, project_id: int) -> Sequence[AnnotatorWork]:
    """Return what each annotator has labeled, most labels first: it reads every label."""
    return labels.work_by_annotator(session, project_id)


def read_annotators(
    session: Session, project_id: int, known: Sequence[AnnotatorWork] | None = None
) -> list[AnnotatorFacts]:
    """Return the annotators who gave labels or gold answers or are paused, most labels first.

    Args:
        session: the request's own.
        project_id: of the project.
        known: what each has labeled, where that was read before.
    """
    work = {w.annotator_id: w for w in known or read_work(session, project_id)}
    scores = gold.scores(session, project_id)
    paused = annotators.paused(session, project_id)
    others = sorted((set(scores) | set(paused)) - set(work))
    names = tokens.names_by_id(session, others)
    facts = []
    for id_ in [*work, *others]:
        done = work.get(id_)
        facts.append(
            AnnotatorFacts(
                name=done.name if done else names[id_],
                n_labels=done.n_labels if done else 0,
                n_on_reserve=done.n_on_reserve if done else 0,
                labels_behind_median=done.labels_behind_median if done else 0.0,
                seconds_median=done.seconds_median if done else None,
                last_label_at=done.last_label_at if done else None,
                n_flagged=done.n_flagged if done else 0,
                n_excluded=done.n_excluded if done else 0,
                gold=_accuracy(scores.get(id_, GoldScore())),
                paused=paused.get(id_),
            )
        )
    return facts


def pause_annotator(  # noqa: PLR0913 - session and settings beside its own
    session: Session,
    project_id: int,
    name: str,
    reason: str,
    settings: Settings,
    *,
    excludes: bool = False,
) -> None:
    """Pause the annotator for an admin; with `excludes` their labels are distrusted, as after gold.

    Raises:
        NotFound: there is no annotator of this name.
    """
    project = projects.lock(session, project_id)
    release_expired(session, project, settings)
    annotator_id = _known(session, name)
    pause(session, project, annotator_id, reason, settings, distrusts=excludes)


def resume_annotator(session: Session, project_id: int, name: str) -> None:
    """Resume the annotator; only gold from now on counts, and flags stay until cleared.

    Raises:
        NotFound: there is no paused annotator of this name.
    """
    projects.lock(session, project_id)
    annotator_id = _known(session, name)
    if not annotators.resume(session, project_id, annotator_id):
        raise NotFound("paused annotator", name)
    events.append(session, project_id, "annotator.resumed", {"annotator": annotator_id})


def clear_flags(session: Session, project_id: int, name: str, settings: Settings) -> None:
    """Clear the flags of the annotator's labels, which then count in any case.

    Raises:
        NotFound: there is no annotator of this name.
        ProjectNotAccepting: the project has ended; its labels are final.
    """
    project = lock_accepting(session, project_id, settings)
    annotator_id = _known(session, name)
    included = trust_labels(session, project, annotator_id, settings)
    n_cleared = annotators.flag_labels(session, project_id, annotator_id, flagged=False)
    facts = {"annotator": annotator_id, "n_cleared": n_cleared, "n_included": included.n_labels}
    events.append(session, project_id, "annotator.flags_cleared", facts)
    after_freeing(session, project, settings)


def _known(session: Session, name: str) -> int:
    annotator = annotators.by_name(session, normalised(name))
    if annotator is None:
        raise NotFound("annotator", name)
    return annotator.id


def _accuracy(score: GoldScore) -> GoldAccuracy:
    low, high = wilson_interval(score.n_right, score.n_answers)
    accuracy = score.n_right / score.n_answers if score.n_answers else None
    return GoldAccuracy(score.n_answers, score.n_right, accuracy, low, high)
