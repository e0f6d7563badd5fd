"""The labeling loop under every order of events: the real services, jobs and database.

A hypothesis state machine polls, labels, undoes, skips, pauses, kills and doubles jobs; after each
step the SQL of `svp doctor --invariants` finds nothing, and the labels are those of a plain model.
"""

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pydantic import SecretStr
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import annotators as annotator_queries
from app.db.queries import jobs as job_queries
from app.db.queries import labels
from app.db.queries.invariants import find_violations
from app.db.session import transaction
from app.db.tables import GoldAnswer, Project, SkipReason, Split
from app.domain.errors import (
    AnnotatorPaused,
    BudgetSpent,
    DomainError,
    InvalidProject,
    JobFenced,
    NoNewLabels,
    NotFound,
    ProjectNotAccepting,
    ProjectNotStartable,
    RoundNotEndable,
    TransitionNotAllowed,
)
from app.domain.states import ProjectState
from app.services import jobs, lifecycle
from app.services.annotation import change_annotation
from app.services.annotators import clear_flags, pause_annotator, resume_annotator
from app.services.answers import AnswerStatus
from app.services.flags import flag_items
from app.services.gold import set_gold
from app.services.jobs import ClaimedJob
from app.services.labels import LabelEntry, submit_labels, withdraw_labels
from app.services.leases import next_batch, release_leases, renew_leases
from app.services.next_round import begin_next_round
from app.services.project_settings import change_project
from app.services.projects import ModelChoice
from app.services.requeue import reassign_items, requeue_items
from app.services.skips import submit_skips
from app.storage.artifacts import ArtifactStore
from tests.loop import (
    CLASSES,
    annotator,
    claim_waiting,
    create_text_project,
    expire_leases,
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


class LabelingMachine(RuleBasedStateMachine):
    """One project, three annotators, one worker that may die."""

    def __init__(self, factory: sessionmaker[Session], settings: Settings) -> None:
        super().__init__()
        self.factory = factory
        self.settings = settings
        self.store = ArtifactStore(settings.artifact_store_url)
        self.annotators = [annotator(factory, name) for name in NAMES]
        self.items: list[int] = []
        self.standing: dict[tuple[int, int], str] = {}
        self.held: list[ClaimedJob] = []
        self.n_imported = 0

    @initialize(
        overlap=st.sampled_from([1, 1, 1, 2, 3]),
        reserve=st.integers(0, 4),
        budgets=st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(4, 12)),
        n_known=st.integers(0, 3),
        strategy=st.sampled_from(["uniform", "least_confidence"]),
        n_delivered=st.sampled_from([0, 1, 1, 1]),
        annotation=st.sampled_from(ANNOTATION),
        ends=st.fixed_dictionaries({"trigger": TRIGGER, "stop_when": STOP}),
    )
    def start(
        self,
        overlap: int,
        reserve: int,
        budgets: tuple[int, int, int],
        n_known: int,
        strategy: str,
        n_delivered: int,
        annotation: dict[str, Any],
        ends: dict[str, Any],
    ) -> None:
        initial, per_round, total = budgets
        with transaction(self.factory) as session:
            project = create_text_project(
                session,
                f"machine-{id(self)}",
                labels_per_item=overlap,
                reserve=reserve,
                initial_budget=initial,
                round_budget=per_round,
                total_budget=total,
                strategy=strategy,
                annotation=annotation,
                **ends,
            )
            self.project = project.id
            self._import(session, N_POOL)
            for i in range(n_known):
                import_texts(
                    session, self.settings, project.id, [f"k{i}"], class_name=CLASSES[i % 2]
                )
            import_texts(session, self.settings, project.id, ["e"], Split.EVALUATION, "a")
            set_gold(session, project.id, {f"k{i}": "a" for i in range(n_known)})
            lifecycle.start_project(session, project.id)
        self._read_items()
        self.deliver(n_delivered)

    def teardown(self) -> None:
        with transaction(self.factory) as session:
            session.execute(text("DELETE FROM projects"))

    @rule(who=WHO, size=st.integers(1, 6))
    def poll(self, who: int, size: int) -> None:
        with transaction(self.factory) as session:
            before = self._leases(session, who)
            try:
                batch = next_batch(session, self.project, self.annotators[who], size, self.settings)
            except AnnotatorPaused:
                assert self._is_paused(session, who)
                return
            gold = self._gold_of(session, who)
            got = [leased.item.id for leased in batch.items]
            session.flush()
            assert len(got) == len(set(got)) <= size
            if batch.project.state != ProjectState.RUNNING:
                assert got == []
                return
            real = [item for item in got if item not in gold]
            if batch.hides_ranking:  # in an order of their own, gold among them
                n_first = next((i for i, x in enumerate(real) if x not in before), len(real))
                assert not set(real[n_first:]) & set(before)
                assert n_first in (len(real), len(before))
            else:  # what is leased comes back first
                assert before[: len(real)] == real[: len(before)]
            if len(got) < size:
                assert self._n_leasable(session, who) == 0

    @rule(who=WHO)
    def renew(self, who: int) -> None:
        with transaction(self.factory) as session:
            try:
                renewed = renew_leases(
                    session, self.project, self.annotators[who], None, self.settings
                )
            except ProjectNotAccepting:
                return
            gold = self._gold_of(session, who)
            real = [i.item.id for i in renewed if i.item.id not in gold]
            assert sorted(real) == sorted(self._leases(session, who))

    @rule(who=WHO, some=st.sets(ITEM, max_size=3))
    def release(self, who: int, some: set[int]) -> None:
        chosen = [self._item(i) for i in some] or None
        with transaction(self.factory) as session:
            release_leases(session, self.project, self.annotators[who], chosen, self.settings)
            left = self._leases(session, who)
            assert not set(left) & set(chosen or left)

    @rule(who=WHO)
    def leave(self, who: int) -> None:
        expire_leases(self.factory, self.project, self.annotators[who])

    @rule(who=WHO, class_name=CLASS)
    def label_all_held(self, who: int, class_name: str) -> None:
        with transaction(self.factory) as session:
            held = self._leases(session, who)
        if held:
            self._label(who, held, class_name)

    @rule(size=st.integers(1, 6), class_name=CLASS)
    def everybody_works(self, size: int, class_name: str) -> None:
        """Each annotator polls and labels what comes, so that rounds get on."""
        for who in range(len(self.annotators)):
            self.poll(who, size)
            self.label_all_held(who, class_name)

    @rule(n_rounds=st.integers(1, 3), size=st.integers(2, 6), class_name=CLASS)
    def rounds_pass(self, n_rounds: int, size: int, class_name: str) -> None:
        for _ in range(n_rounds):
            while self.held:
                self.come_back()
            self.deliver(1)
            self.everybody_works(size, class_name)

    @rule(who=WHO, item=ITEM, class_name=CLASS)
    def label_anything(self, who: int, item: int, class_name: str) -> None:
        self._label(who, [self._item(item)], class_name)

    @rule(which=st.integers(0, 40), class_name=CLASS)
    def label_again(self, which: int, class_name: str) -> None:
        if not self.standing:
            return
        annotator_id, item = sorted(self.standing)[which % len(self.standing)]
        self._label(self.annotators.index(annotator_id), [item], class_name)

    @rule(which=st.integers(0, 40))
    def undo(self, which: int) -> None:
        if not self.standing:
            return
        self._withdraw(*sorted(self.standing)[which % len(self.standing)])

    @rule(who=WHO, item=ITEM)
    def undo_anything(self, who: int, item: int) -> None:
        self._withdraw(self.annotators[who], self._item(item))

    @rule(who=WHO, item=ITEM)
    def skip(self, who: int, item: int) -> None:
        try:
            with transaction(self.factory) as session:
                submit_skips(
                    session,
                    self.project,
                    self.annotators[who],
                    [self._item(item)],
                    SkipReason.UNREADABLE,
                    self.settings,
                )
        except (AnnotatorPaused, ProjectNotAccepting):
            return

    @rule(item=ITEM)
    def requeue(self, item: int) -> None:
        chosen = self._item(item)
        try:
            with transaction(self.factory) as session:
                (outcome,) = requeue_items(session, self.project, [chosen], self.settings)
        except ProjectNotAccepting:
            return
        if outcome.status is AnswerStatus.REQUEUED:
            self.standing = {key: c for key, c in self.standing.items() if key[1] != chosen}

    @rule(item=ITEM, name=st.sampled_from([*NAMES, None]))
    def reassign(self, item: int, name: str | None) -> None:
        try:
            with transaction(self.factory) as session:
                reassign_items(session, self.project, [self._item(item)], name, self.settings)
        except (AnnotatorPaused, ProjectNotAccepting):
            return

    @rule(name=st.sampled_from(NAMES), item=ITEM)
    def flag(self, name: str, item: int) -> None:
        who = self.annotators[NAMES.index(name)]
        try:
            with transaction(self.factory) as session:
                flag_items(session, self.project, who, [self._item(item)], "odd", self.settings)
        except (AnnotatorPaused, ProjectNotAccepting):
            return

    @rule(
        name=st.sampled_from(NAMES),
        resumes=st.sampled_from([False, True, True]),
        excludes=st.booleans(),
    )
    def pause_or_resume_somebody(self, name: str, resumes: bool, excludes: bool) -> None:
        try:
            with transaction(self.factory) as session:
                if resumes:
                    resume_annotator(session, self.project, name)
                else:
                    pause_annotator(
                        session, self.project, name, "x", self.settings, excludes=excludes
                    )
        except NotFound:
            return
        if not resumes:
            self._forget_requeued(self.annotators[NAMES.index(name)])

    @rule(name=st.sampled_from(NAMES))
    def clear_flags_of_somebody(self, name: str) -> None:
        try:
            with transaction(self.factory) as session:
                clear_flags(session, self.project, name, self.settings)
        except (NotFound, ProjectNotAccepting):
            return

    @rule(overlap=st.integers(1, 3), changes=st.sampled_from(ANNOTATION))
    def change_annotation(self, overlap: int, changes: dict[str, Any]) -> None:
        with transaction(self.factory) as session:
            try:
                change_annotation(session, self.project, changes, overlap, self.settings)
            except (InvalidProject, ProjectNotAccepting):
                return

    @rule()
    def next_round_by_hand(self) -> None:
        try:
            with transaction(self.factory) as session:
                begin_next_round(session, self.project, self.settings)
        except (ProjectNotAccepting, RoundNotEndable, NoNewLabels, BudgetSpent):
            return

    @rule(change=CHANGE)
    def change_settings(self, change: dict[str, Any]) -> None:
        try:
            with transaction(self.factory) as session:
                change_project(session, self.project, change, self.settings)
        except (ProjectNotAccepting, InvalidProject):
            return

    @rule()
    def time_passes(self) -> None:
        with transaction(self.factory) as session:
            session.execute(text("UPDATE rounds SET labeling_at = labeling_at - interval '61 s'"))
        jobs.sweep(self.factory, self.settings)

    @rule(change=st.sampled_from(["pause", "resume", "resume"]))
    def change_state(self, change: str) -> None:
        self._try(getattr(lifecycle, f"{change}_project"))

    @rule(change=st.sampled_from(["finish", "cancel"]))
    def end(self, change: str) -> None:
        if len(self.standing) <= END_AFTER:
            return
        self._try(getattr(lifecycle, f"{change}_project"))

    @precondition(lambda self: self.n_imported < N_POOL + 4)
    @rule()
    def import_more(self) -> None:
        try:
            with transaction(self.factory) as session:
                self._import(session, 2)
        except DomainError:
            return
        self._read_items()

    @rule(times=st.sampled_from([0, 1, 1, 1, 5]))
    def deliver(self, times: int) -> None:
        """A message comes `times` times; the first claim wins, the others find nothing to do."""
        waiting = self._waiting_jobs()
        if not waiting:
            return
        claims = []
        for _ in range(times):
            with transaction(self.factory) as session:
                claims.append(jobs.claim(session, waiting[0], self.settings))
        won = [claimed for claimed in claims if claimed is not None]
        assert len(won) <= 1
        for claimed in won:
            self._run(claimed)

    @rule()
    def claim_and_work(self) -> None:
        claimed = claim_waiting(self.factory, self.settings, self.project)
        if claimed is not None:
            self.held.append(claimed)

    @rule()
    def come_back(self) -> None:
        """A worker ends its job, be it still its own or long taken by another."""
        if not self.held:
            return
        self._run(self.held.pop())

    @rule(which=st.integers(0, 40), class_name=st.sampled_from([*CLASSES, None]))
    def an_answer_changes_while_a_model_trains(self, which: int, class_name: str | None) -> None:
        if not self.standing:
            return
        claimed = claim_waiting(self.factory, self.settings, self.project)
        if claimed is None:
            return
        changed = False

        def change_once() -> bool:
            nonlocal changed
            if not changed:
                changed = True
                self.label_again(which, class_name) if class_name else self.undo(which)
            return False

        self._run(claimed, should_stop=change_once)

    @rule()
    def kill_the_worker(self) -> None:
        """Its lease runs out; it may come back as a zombie."""
        with transaction(self.factory) as session:
            session.execute(
                text(
                    "UPDATE jobs SET lease_until = now() - interval '1 s' "
                    "WHERE state = 'running' AND project_id = :project"
                ).bindparams(project=self.project)
            )

    @rule(by_sweeper=st.booleans())
    def a_zombie_comes_back(self, by_sweeper: bool) -> None:
        """A worker is taken for dead, another does its job, then the first one ends."""
        claimed = claim_waiting(self.factory, self.settings, self.project)
        if claimed is None:
            return
        self.kill_the_worker()
        if by_sweeper:
            jobs.sweep(self.factory, self.settings)
        self.deliver(1)
        self._run(claimed)

    @rule()
    def give_back(self) -> None:
        if self.held:
            claimed = self.held.pop()
            with transaction(self.factory) as session:
                jobs.give_back(session, claimed.id, claimed.token)

    @rule(dead=st.booleans())
    def sweep_twice_at_once(self, dead: bool) -> None:
        if dead:
            self.claim_and_work()
            self.kill_the_worker()
        barrier = threading.Barrier(2)

        def sweep(_: int) -> jobs.SweepResult:
            barrier.wait(10)
            return jobs.sweep(self.factory, self.settings)

        with ThreadPoolExecutor(2) as pool:
            one, two = pool.map(sweep, range(2))
        assert not set(one.requeued + one.failed) & set(two.requeued + two.failed)

    @rule()
    def retry(self) -> None:
        with transaction(self.factory) as session:
            newest = job_queries.list_page(session, self.project, None, 1)
        try:
            with transaction(self.factory) as session:
                jobs.retry(session, self.project, newest[0].id, self.settings)
        except TransitionNotAllowed:
            return

    @invariant()
    def promises_are_kept(self) -> None:
        with transaction(self.factory) as session:
            assert list(find_violations(session)) == []

    @invariant()
    def accepted_labels_are_there_once(self) -> None:
        with transaction(self.factory) as session:
            rows = session.execute(
                text(
                    "SELECT annotator_id, item_id, class_index FROM labels "
                    "WHERE withdrawn_at IS NULL"
                )
            )
            stored = sorted((a, i, CLASSES[c]) for a, i, c in rows)
        assert stored == sorted((a, i, c) for (a, i), c in self.standing.items())

    @invariant()
    def fresh_models_were_trained_on_answers_that_stand(self) -> None:
        with transaction(self.factory) as session:
            snapshots = session.scalars(
                text(
                    "SELECT DISTINCT j.snapshot_hash FROM models m "
                    "LEFT JOIN rounds r ON r.model_id = m.id "
                    "JOIN jobs j ON j.project_id = m.project_id AND j.state = 'succeeded' "
                    "AND (j.round_id = r.id OR r.id IS NULL AND j.kind = 'train_target') "
                    "WHERE NOT m.stale"
                )
            ).all()
            index, classes = labels.resolved_arrays(session, self.project)
        now = dict(zip(index, classes, strict=True))
        for snapshot in snapshots:
            arrays = np.load(io.BytesIO(self.store.get(snapshot)))
            for i, class_index in zip(arrays["labeled_index"], arrays["labels"], strict=True):
                assert now.get(int(i)) == class_index

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


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_order_of_events_keeps_the_promises(
    session_factory: sessionmaker[Session], settings: Settings, database_url: str
) -> None:
    configured = settings.model_copy(
        update={"database_url": SecretStr(database_url), "device": "cpu"}
    )

    class Machine(LabelingMachine):
        def __init__(self) -> None:
            super().__init__(session_factory, configured)

    run_state_machine_as_test(Machine, settings=MACHINE)


MACHINE = hypothesis_settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes
)
