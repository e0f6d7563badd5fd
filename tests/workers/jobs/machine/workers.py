"""Rules of workers: messages come, workers work, die and come back."""

import threading
from concurrent.futures import ThreadPoolExecutor

from hypothesis import strategies as st
from hypothesis.stateful import (
    rule,
)
from sqlalchemy import text

from app.db.session import transaction
from app.services import jobs
from tests.loop import (
    CLASSES,
    claim_waiting,
)
from tests.workers.jobs.machine.annotators import AnnotatorRules
from tests.workers.jobs.machine.world import CLASS


class WorkerRules(AnnotatorRules):
    """Events in the life of jobs, in any order."""

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

    @rule(n_rounds=st.integers(1, 3), size=st.integers(2, 6), class_name=CLASS)
    def rounds_pass(self, n_rounds: int, size: int, class_name: str) -> None:
        for _ in range(n_rounds):
            while self.held:
                self.come_back()
            self.deliver(1)
            self.everybody_works(size, class_name)

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
    def time_passes(self) -> None:
        with transaction(self.factory) as session:
            session.execute(text("UPDATE rounds SET labeling_at = labeling_at - interval '61 s'"))
        jobs.sweep(self.factory, self.settings)
