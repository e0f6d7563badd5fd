"""The classes of a project: how often each was found, by round, and which are rare."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.orm import Session

from app.db.queries import classes as queries
from app.db.queries.classes import ClassCount
from app.db.tables import Project
from app.domain.classification import Interval, share_interval

FEWEST_UNIFORM = 30  # labeled control items that tell shares
RARE = 0.5  # of an even share


class SharesFrom(StrEnum):
    """The source of the classes' shares of the pool."""

    CONTROL = "control"
    EVALUATION = "evaluation"
    LABELS = "labels"


@dataclass(frozen=True)
class FoundClass:
    """One class: resolved labels of it, its share of the pool, and whether it is rare."""

    class_index: int
    n_labeled: int
    share: Interval | None
    is_rare: bool


@dataclass(frozen=True)
class FoundByRound:
    """The classes that a round found: by its strategy, and by its control arm.

    Attributes:
        round_number: None of labels that were imported.
        n_labeled, n_rare: labels of the batch that the strategy chose, and those of rare classes.
        n_control, n_control_rare: the same of the control arm.
        n_classes: classes with a label by then, and of these the rare ones.
    """

    round_number: int | None
    n_labeled: int
    n_rare: int
    n_control: int
    n_control_rare: int
    n_classes: int
    n_rare_classes: int


@dataclass(frozen=True)
class ProjectClasses:
    """The classes of a project, by index, and what each round found."""

    shares_from: SharesFrom
    classes: list[FoundClass]
    rounds: list[FoundByRound]


def read_classes(session: Session, project: Project) -> ProjectClasses:
    """Return how often each class was found, and by which round.

    A class is rare if its share is below half of an even one. Shares are those of the labeled
    control items if there are enough, else of the evaluation split, else of all labels.
    """
    counts = queries.counts_by_round(session, project.id)
    shares_from, of_class = _share_counts(session, project, counts)
    total, n_classes = of_class.total(), len(project.classes)
    rare = {c for c in range(n_classes) if total and of_class[c] / total < RARE / n_classes}
    n_labeled = _by_class(counts)
    classes = [
        FoundClass(c, n_labeled[c], share_interval(of_class[c], total), c in rare)
        for c in range(n_classes)
    ]
    return ProjectClasses(shares_from, classes, list(_by_round(counts, rare)))


def _share_counts(
    session: Session, project: Project, counts: list[ClassCount]
) -> tuple[SharesFrom, Counter[int]]:
    control = _by_class(c for c in counts if c.is_control)
    if control.total() >= FEWEST_UNIFORM:
        return SharesFrom.CONTROL, control
    evaluation = Counter(queries.evaluation_counts(session, project.id))
    if evaluation:
        return SharesFrom.EVALUATION, evaluation
    return SharesFrom.LABELS, _by_class(counts)


def _by_class(counts: Iterable[ClassCount]) -> Counter[int]:
    found: Counter[int] = Counter()
    for count in counts:
        found[count.class_index] += count.n
    return found


def _by_round(counts: list[ClassCount], rare: set[int]) -> Iterable[FoundByRound]:
    numbers = sorted({c.round_number for c in counts}, key=lambda n: -1 if n is None else n)
    found: set[int] = set()
    for number in numbers:
        here = [c for c in counts if c.round_number == number]
        found |= {c.class_index for c in here}
        chosen = [c for c in here if not c.is_control]
        control = [c for c in here if c.is_control]
        yield FoundByRound(
            number,
            sum(c.n for c in chosen),
            sum(c.n for c in chosen if c.class_index in rare),
            sum(c.n for c in control),
            sum(c.n for c in control if c.class_index in rare),
            len(found),
            len(found & rare),
        )
