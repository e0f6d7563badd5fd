"""Agreement of a project's annotators: overall, by round, by annotator and by pair."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from app.db.queries import agreement as queries
from app.db.queries import tokens
from app.domain.agreement import ClassCounts, cohen_kappa, fleiss_kappa, krippendorff_alpha


@dataclass(frozen=True)
class SharedAgreement:
    """Agreement on the items that have at least two labels; None where it is not defined."""

    n_items: int
    n_labels: int
    krippendorff_alpha: float | None
    fleiss_kappa: float | None
    round_number: int | None = None


@dataclass(frozen=True)
class PairAgreement:
    """Cohen's kappa of two annotators on the items that both labeled."""

    first: str
    second: str
    n_items: int
    cohen_kappa: float | None


@dataclass(frozen=True)
class AnnotatorAgreement:
    """One annotator's agreement with the others.

    Attributes:
        name: of the annotator.
        n_shared: labels of items that others labeled too, once for each of them.
        cohen_kappa: mean over the others, weighed by shared items.
        n_resolved: labels of items that others labeled too and that have their resolved label.
        with_consensus: share of these that are of its class.
    """

    name: str
    n_shared: int
    cohen_kappa: float | None
    n_resolved: int
    with_consensus: float | None


@dataclass(frozen=True)
class Agreement:
    """Agreement of all annotators: overall, by round, by annotator and by pair."""

    counted_at: datetime
    project: SharedAgreement
    rounds: list[SharedAgreement]
    annotators: list[AnnotatorAgreement]
    pairs: list[PairAgreement]


def read_agreement(session: Session, project_id: int) -> Agreement:
    """Return the agreement of the labels that stand."""
    by_round = queries.counts_by_round(session, project_id)
    total = ClassCounts()
    for counts in by_round.values():
        total.add(counts)
    pair_counts = queries.pairs(session, project_id)
    with_consensus = queries.with_consensus(session, project_id)
    ids = {p.first for p in pair_counts} | {p.second for p in pair_counts} | set(with_consensus)
    names = tokens.names_by_id(session, sorted(ids))
    kappas = [(p, sum(p.classes.values()), cohen_kappa(p.classes)) for p in pair_counts]
    return Agreement(
        counted_at=datetime.now(UTC),
        project=_shared(total, None),
        rounds=[
            _shared(by_round[number], number)
            for number in sorted(n for n in by_round if n is not None)
        ],
        annotators=[
            _annotator(id_, name, kappas, with_consensus.get(id_, (0, 0)))
            for id_, name in sorted(names.items(), key=lambda entry: entry[1])
        ],
        pairs=[PairAgreement(names[p.first], names[p.second], n, k) for p, n, k in kappas],
    )


def _shared(counts: ClassCounts, round_number: int | None) -> SharedAgreement:
    return SharedAgreement(
        n_items=counts.n_items,
        n_labels=counts.n_labels,
        krippendorff_alpha=krippendorff_alpha(counts),
        fleiss_kappa=fleiss_kappa(counts),
        round_number=round_number,
    )


def _annotator(
    annotator_id: int,
    name: str,
    kappas: list[tuple[queries.PairCounts, int, float | None]],
    consensus: tuple[int, int],
) -> AnnotatorAgreement:
    own = [(n, kappa) for p, n, kappa in kappas if annotator_id in (p.first, p.second)]
    said = [(n, kappa) for n, kappa in own if kappa is not None]
    weight = sum(n for n, _ in said)
    n_resolved, n_same = consensus
    return AnnotatorAgreement(
        name=name,
        n_shared=sum(n for n, _ in own),
        cohen_kappa=sum(n * kappa for n, kappa in said) / weight if weight else None,
        n_resolved=n_resolved,
        with_consensus=n_same / n_resolved if n_resolved else None,
    )
