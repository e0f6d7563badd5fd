"""The world of the labeling machine: one project, three annotators, a plain model of the labels."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
)
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import annotators as annotator_queries
from app.db.queries import jobs as job_queries
from app.db.session import transaction
from app.db.tables import GoldAnswer, Project
from app.domain.errors import (
    AnnotatorPaused,
    JobFenced,
    ProjectNotAccepting,
    ProjectNotStartable,
    TransitionNotAllowed,
)
from app.services import jobs
from app.services.answers import AnswerStatus
from app.services.jobs import ClaimedJob
from app.services.labels import LabelEntry, submit_labels, withdraw_labels
from app.services.projects import ModelChoice
from app.storage.artifacts import ArtifactStore
from tests.loop import (
    CLASSES,
    annotator,
    import_texts,
)
from workers.jobs.context import JobContext
from workers.jobs.run import run_job

N_POOL = 14
END_AFTER = 6  # labels; an early end would leave little to try
WHO = st.integers(0, 2)
ITEM = st.integers(0, 19)
CLASS = st.sampled_from(CLASSES)
NAMES = ("ada", "bob", "eve")
ANNOTATION: list[dict[str, Any]] = [
    {},
    {"overlap_fraction": 0.5, "max_labels_per_item": 3},
    {"min_agreement": 1.0, "adjudicators": ["eve"]},
    {"consensus": "dawid_skene", "max_labels_per_item": 3, "adjudicators": ["ada", "bob"]},
    {"gold_fraction": 0.5, "gold_min_accuracy": 0.6, "gold_min_answers": 2},
    {"gold_action": "requeue", "gold_fraction": 0.5, "gold_min_accuracy": 0.9}
    | {"gold_min_answers": 1, "min_agreement": 1.0, "adjudicators": ["eve", "ada"]},
    {"flagged_labels": "keep", "gold_fraction": 0.5, "gold_min_accuracy": 0.9},
    {"flagged_labels": "exclude", "gold_min_answers": 1},
]
TRIGGER = st.sampled_from(
    [{}, {}, {"retrain_fraction": 0.5}, {"retrain_after_seconds": 60, "min_new_labels": 2}]
)
STOP = st.sampled_from([{}, {}, {}, {"kappa": 0.5, "rounds": 1}])
CHANGE = st.one_of(
    st.fixed_dictionaries({"total_budget": st.integers(1, 20)}),
    st.fixed_dictionaries({"round_budget": st.integers(1, 5), "reserve": st.integers(0, 4)}),
    st.fixed_dictionaries({"strategy": st.sampled_from(["uniform", "margin"])}),
    st.fixed_dictionaries({"selection": st.just({"control_fraction": 0.5})}),
    st.fixed_dictionaries({"trigger": TRIGGER}),
    st.fixed_dictionaries({"stop_when": STOP}),
    st.fixed_dictionaries({"proxy": st.just(ModelChoice("fasttext", {"epochs": 2, "dim": 2}))}),
)


class World(RuleBasedStateMachine):
    """One project, three annotators, one worker that may die."""

    def __init__(self, factory: sessionmaker[Session], settings: Settings) -> None:
        super().__init__()
        self.factory = factory
        self.settings = settings
        self.store = ArtifactStore(settings.artifact_store_url)
        self.annotators = [annotator(factory, name) for name in NAMES]
        self.project = 0  # until the machine starts one
        self.items: list[int] = []
        self.standing: dict[tuple[int, int], str] = {}
        self.held: list[ClaimedJob] = []
        self.n_imported = 0

    def _try(self, use: Any) -> None:
        try:
            with transaction(self.factory) as session:
                use(session, self.project)
        except (TransitionNotAllowed, ProjectNotAccepting, ProjectNotStartable):
            return

    def _label(self, who: int, items: list[int], class_name: str) -> None:
        entries = [LabelEntry(item, class_name) for item in items]
        try:
            with transaction(self.factory) as session:
                outcomes = submit_labels(
                    session, self.project, self.annotators[who], entries, self.settings
                )
        except (AnnotatorPaused, ProjectNotAccepting):
            return
        with transaction(self.factory) as session:
            gold = self._gold_of(session, who)
        for outcome in outcomes:
            if outcome.item_id in gold:
                continue
            key = (self.annotators[who], outcome.item_id)
            if outcome.status == AnswerStatus.REFUSED:
                assert outcome.code
                assert key not in self.standing
                continue
            expected = (
                AnswerStatus.CREATED
                if key not in self.standing
                else AnswerStatus.UNCHANGED
                if self.standing[key] == class_name
                else AnswerStatus.REVISED
            )
            assert outcome.status == expected
            self.standing[key] = class_name
        with transaction(self.factory) as session:
            is_paused = self._is_paused(session, who)
        if is_paused:  # by an answer to gold just now: before, nothing of theirs was taken
            self._forget_requeued(self.annotators[who])

    def _forget_requeued(self, annotator_id: int) -> None:
        """Take what a pause requeued out of the model: items that nobody else labeled."""
        with transaction(self.factory) as session:
            n_requeued = session.scalar(
                text(
                    "SELECT (facts->>'n_requeued')::int FROM events "
                    "WHERE name = 'annotator.paused' ORDER BY id DESC LIMIT 1"
                )
            )
            stay = set(
                session.scalars(
                    text(
                        "SELECT item_id FROM gold_items UNION "
                        "SELECT item_id FROM batch_items WHERE state = 'skipped'"
                    )
                )
            )
        others = {item for who, item in self.standing if who != annotator_id}
        alone = [
            (who, item)
            for who, item in self.standing
            if who == annotator_id and item not in others | stay
        ]
        assert n_requeued in (0, len(alone))
        if n_requeued:
            self.standing = {key: c for key, c in self.standing.items() if key not in alone}

    def _withdraw(self, annotator_id: int, item: int) -> None:
        try:
            with transaction(self.factory) as session:
                (outcome,) = withdraw_labels(
                    session, self.project, annotator_id, [item], self.settings
                )
        except (AnnotatorPaused, ProjectNotAccepting):
            return
        with transaction(self.factory) as session:
            if item in self._gold_of(session, self.annotators.index(annotator_id)):
                return
        known = self.standing.pop((annotator_id, item), None)
        assert outcome.status == (AnswerStatus.WITHDRAWN if known else AnswerStatus.UNCHANGED)

    def _run(self, claimed: ClaimedJob, should_stop: Callable[[], bool] = lambda: False) -> None:
        context = JobContext(claimed, self.settings, self.factory, self.store, should_stop)
        try:
            run_job(context)
        except JobFenced:
            with transaction(self.factory) as session:
                job = job_queries.get(session, claimed.id)
            assert job is None or job.token != claimed.token

    def _waiting_jobs(self) -> list[int]:
        with transaction(self.factory) as session:
            return jobs.claimable(session, ["cpu", "gpu"], self.settings)

    def _import(self, session: Session, n: int) -> None:
        names = [f"t{i}" for i in range(self.n_imported, self.n_imported + n)]
        import_texts(session, self.settings, self.project, names)
        self.n_imported += n

    def _read_items(self) -> None:
        with transaction(self.factory) as session:
            self.items = list(
                session.scalars(text("SELECT id FROM items WHERE split = 'pool' ORDER BY index"))
            )

    def _item(self, index: int) -> int:
        return self.items[index % len(self.items)]

    def _leases(self, session: Session, who: int) -> list[int]:
        """Return the items that the annotator holds now, in the order of a poll."""
        return list(
            session.scalars(
                text(
                    "SELECT b.item_id FROM batch_items b JOIN batch_item_slots s "
                    "ON s.batch_item_id = b.id WHERE b.state = 'open' AND NOT s.filled "
                    "AND s.leased_by = :who AND s.leased_until > now() "
                    "ORDER BY b.source, b.round_id, b.rank"
                ).bindparams(who=self.annotators[who])
            )
        )

    def _is_paused(self, session: Session, who: int) -> bool:
        return self.annotators[who] in annotator_queries.paused(session, self.project)

    def _gold_of(self, session: Session, who: int) -> set[int]:
        """Return the items that the annotator was ever handed as gold."""
        mine = GoldAnswer.annotator_id == self.annotators[who]
        return set(session.scalars(select(GoldAnswer.item_id).where(mine)))

    def _n_leasable(self, session: Session, who: int) -> int:
        """Return how many items a poll could still hand out, counted item by item."""
        project = session.get_one(Project, self.project)
        mine = self.annotators[who]
        adjudicates = NAMES[who] in project.annotation["adjudicators"]
        found = session.execute(
            text(
                "SELECT b.source, array_agg(s.leased_by), bool_or(b.is_requeued), "
                "bool_or(s.leased_by IS NULL AND coalesce(s.reserved_for, :mine) = :mine "
                "AND (:adjudicates OR NOT s.for_adjudicator)) FROM batch_items b "
                "JOIN batch_item_slots s ON s.batch_item_id = b.id "
                "WHERE b.state = 'open' GROUP BY b.id"
            ).bindparams(mine=mine, adjudicates=adjudicates)
        )
        committed = batch = 0
        free = []  # whether the budget counts each item that the annotator could get
        for source, holders, is_requeued, is_free in found:
            is_committed = any(holders) or is_requeued
            committed += is_committed
            batch += source == "batch" and not is_committed
            if is_free and mine not in holders:
                free.append(is_committed or source == "batch")
        room = project.total_budget - project.n_labeled - committed - batch
        n_new = max(0, min(room, free.count(False)))
        return free.count(True) + int(n_new)
