"""The packing job: starts with the import, resumes after a kill, yields to other jobs."""

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import projects, set_aside
from app.db.session import transaction
from app.db.tables import Job, JobKind, Project, Split
from app.domain.errors import ArtifactMissing
from app.domain.states import JobState
from app.services import jobs
from app.services.import_counts import ImportCounts
from app.services.items import import_items
from app.services.jobs import PACKING
from app.services.prepared_items import ItemIn
from app.services.project_settings import change_project
from app.services.projects import ModelChoice
from models.catalog import Encoding, resolve_recipe, setup_from_json
from tests.loop import claim_waiting
from tests.projects import TINY, ServedProject
from workers.jobs.attempt import Attempt
from workers.jobs.packed_pool import PoolReader
from workers.jobs.packing import processes
from workers.jobs.packing.forms import ImageForm, ItemSource, TextForm
from workers.jobs.packing.job import PackingJob
from workers.jobs.packs import PackingStopped, Span
from workers.jobs.runner import JobRunner

Factory = sessionmaker[Session]
# Children: one that works until it is asked to stop, and one that is soon done.
OBEDIENT = [
    sys.executable, "-c",
    "import sys; sys.stdin.readline(); sys.exit(75 if sys.stdin.readline() == 'stop\\n' else 1)",
]  # fmt: skip
BRIEF = [sys.executable, "-c", "import sys, time; sys.stdin.readline(); time.sleep(1)"]


def packing_jobs(served: ServedProject) -> list[Job]:
    with transaction(served.factory) as session:
        statement = select(Job).where(Job.project_id == served.id, Job.kind == JobKind.PACK)
        return list(session.scalars(statement.order_by(Job.id)))


def missing(served: ServedProject) -> list[tuple[Split, Span]]:
    """Return what a round's job would still have to pack."""
    spans: list[tuple[Split, Span]] = []
    project = row_of(served)
    reader = PoolReader(
        served.factory, served.store, served.settings,
        on_block=lambda split, span: spans.append((split, span)),
    )  # fmt: skip
    setup = setup_from_json(project.proxy)
    for split, n in ((Split.POOL, project.n_pool), (Split.EVALUATION, project.n_evaluation)):
        reader.read(project, split, setup, n)
    return spans


def row_of(served: ServedProject) -> Project:
    with transaction(served.factory) as session:
        return projects.get(session, served.id)


@pytest.fixture(params=["text", "image"])
def served(
    session_factory: Factory, settings: Settings, request: pytest.FixtureRequest
) -> ServedProject:
    return ServedProject(session_factory, settings, TINY[request.param])


class TestPackingJob:
    def test_an_import_queues_one_and_a_round_finds_everything_packed(
        self, served: ServedProject
    ) -> None:
        served.add(range(30))
        served.add(range(30, 40))
        served.add(range(5), Split.EVALUATION)
        assert [job.state for job in packing_jobs(served)] == [JobState.QUEUED]
        served.pack()
        (job,) = packing_jobs(served)
        assert job.state == JobState.SUCCEEDED
        assert (job.progress["n_packed"], job.progress["n_items"]) == (45, 45)
        assert missing(served) == []
        served.add(range(40))  # nothing new
        assert len(packing_jobs(served)) == 1
        served.add(range(40, 50))
        served.pack()
        assert [job.state for job in packing_jobs(served)] == 2 * [JobState.SUCCEEDED]
        assert missing(served) == []

    def test_items_imported_while_it_packs_are_packed_by_it(self, served: ServedProject) -> None:
        served.add(range(30))
        n_asked = 0

        def import_more() -> bool:
            nonlocal n_asked
            n_asked += 1
            if n_asked in (1, 2):
                served.add(range(30, 30 + 5 * n_asked))
            return False

        served.pack(import_more)
        assert [job.state for job in packing_jobs(served)] == [JobState.SUCCEEDED]
        assert row_of(served).n_pool == 40
        assert missing(served) == []

    def test_stopped_it_keeps_what_it_packed(self, served: ServedProject) -> None:
        served.add(range(30))
        served.add(range(5), Split.EVALUATION)
        asked = iter([False, True, True])
        with pytest.raises(PackingStopped):
            served.pack(lambda: next(asked))
        assert missing(served) == [(Split.EVALUATION, (0, 5))]

    def test_another_proxy_is_packed_for_anew(
        self, session_factory: Factory, settings: Settings
    ) -> None:
        served = ServedProject(session_factory, settings, TINY["text"])
        served.add(range(30))
        served.pack()
        other = ModelChoice("vdcnn9", {"max_chars": 64, "epochs": 1})
        with transaction(session_factory) as session:
            change_project(session, served.id, {"proxy": other}, settings)
        served.pack()
        served.data = replace(served.data, model=other)
        assert missing(served) == []

    def test_a_selection_without_a_model_packs_nothing_and_sees_what_the_packing_set_aside(
        self, session_factory: Factory, settings: Settings, tmp_path: Path
    ) -> None:
        with_root = settings.model_copy(update={"image_roots": (str(tmp_path),)})
        served = ServedProject(session_factory, with_root, TINY["image"], total_budget=12)
        lines = []
        for i in range(12):
            (tmp_path / f"{i}.png").write_bytes(TINY["image"].content(Split.POOL, i)["image"])
            lines.append((i, ItemIn(f"x{i}", Split.POOL, None, None, f"{i}.png")))
        with transaction(session_factory) as session:
            import_items(session, served.store, with_root, served.id, lines, ImportCounts())
        (tmp_path / "5.png").unlink()
        served.start()
        served.do_job()
        assert served.round_(0).state == "labeling"
        assert set(served.round_(0).seconds) >= {"packing", "snapshot", "publishing"}
        assert 5 in served.ranked(0)
        served.pack()
        with transaction(session_factory) as session:
            assert set_aside.indices(session, served.id, Split.POOL) == [5]
            assert not session.scalars(select(Job.id).where(Job.state == JobState.FAILED)).all()


class TestKill:
    def test_killed_in_the_middle_the_next_attempt_goes_on_from_whole_blocks(
        self, session_factory: Factory, settings: Settings
    ) -> None:
        served = ServedProject(session_factory, settings, TINY["text"])
        served.add(range(40))
        claimed = claim_waiting(session_factory, settings, served.id, PACKING)
        assert claimed is not None
        killed = os.fork()
        if killed == 0:
            session_factory.kw["bind"].dispose(close=False)
            asked = iter(range(6))

            def kill_late() -> bool:
                if next(asked) == 5:
                    os.kill(os.getpid(), signal.SIGKILL)
                return False

            attempt = Attempt(claimed, settings, session_factory, served.store, kill_late)
            PackingJob(attempt, linger_seconds=0, block_items=4, commit_seconds=0).run()
            os._exit(0)
        assert os.waitpid(killed, 0)[1] == signal.SIGKILL
        with transaction(session_factory) as session:
            jobs.give_back(session, claimed.id, claimed.token)
        served.add(range(40, 44))  # the job that is live packs them, too
        assert missing(served) == [(Split.POOL, (20, 44))]
        served.pack()
        assert [job.state for job in packing_jobs(served)] == [JobState.SUCCEEDED]


class TestGivingWay:
    def test_packing_goes_back_to_the_queue_while_another_job_runs_and_is_taken_up_after_it(
        self, session_factory: Factory, settings: Settings
    ) -> None:
        served = ServedProject(session_factory, settings, TINY["text"])
        served.add(range(40))
        packer = JobRunner(settings, session_factory, OBEDIENT, kinds=PACKING, keeps_spare=False)
        runner = JobRunner(settings, session_factory, BRIEF, beside=packer)
        thread = threading.Thread(target=packer.run_waiting)
        thread.start()
        while packing_jobs(served)[0].state != JobState.RUNNING:
            time.sleep(0.01)
        served.start()
        assert runner.run_waiting() == 1  # it has claimed the round's job, and not the packing
        thread.join(30)
        (job,) = packing_jobs(served)
        assert (job.state, job.attempts) == (JobState.QUEUED, 0)
        packer.stop()
        runner.close()
        packer.close()

    def test_no_packing_begins_while_another_job_runs(
        self, session_factory: Factory, settings: Settings
    ) -> None:
        served = ServedProject(session_factory, settings, TINY["text"])
        served.add(range(12))
        packer = JobRunner(settings, session_factory, OBEDIENT, kinds=PACKING, keeps_spare=False)
        packer.give_way()
        assert packer.run_waiting() == 0
        packer.go_on()
        thread = threading.Thread(target=packer.run_waiting)
        thread.start()
        while packing_jobs(served)[0].state != JobState.RUNNING:
            time.sleep(0.01)
        packer.stop()
        thread.join(30)
        assert packing_jobs(served)[0].state == JobState.QUEUED


@dataclass(frozen=True)
class Many:
    """Enough items for several processes, of small blocks."""

    served: ServedProject
    form: ImageForm | TextForm

    def source(self) -> ItemSource:
        s = self.served
        return ItemSource(s.factory, s.store, s.settings, s.id, Split.POOL)


class TestProcesses:
    @pytest.fixture
    def many(self, session_factory: Factory, settings: Settings) -> Many:
        served = ServedProject(session_factory, settings, TINY["text"])
        served.add(range(60))
        recipe = resolve_recipe("fasttext", {"buckets": 1000})
        return Many(served, TextForm(Encoding.WORD_NGRAMS, recipe))

    def test_blocks_come_in_order_and_are_those_of_one_process(self, many: Many) -> None:
        spans = [(first, first + 4) for first in range(0, 60, 4)]
        alone = [many.form.make(many.source(), span) for span in spans]
        with processes.Processes(many.source(), many.form, 2) as several:
            made = list(several.make(spans, lambda: False))
        assert made == alone

    def test_what_a_process_raises_is_raised_here_and_they_end(self, many: Many) -> None:
        with (
            pytest.raises(ArtifactMissing, match="items 56 to 63"),
            processes.Processes(many.source(), many.form, 2) as several,
        ):
            list(several.make([(0, 4), (56, 64)], lambda: False))
        assert several.pids() == []

    def test_a_killed_process_fails_the_attempt_with_a_reason(self, many: Many) -> None:
        with processes.Processes(many.source(), many.form, 2) as several:
            for pid in several.pids():
                os.kill(pid, signal.SIGKILL)
            with pytest.raises(RuntimeError, match="was killed"):
                list(several.make([(0, 4), (4, 8)], lambda: False))

    def test_asked_to_stop_they_end_at_once(self, many: Many) -> None:
        with (
            pytest.raises(PackingStopped),
            processes.Processes(many.source(), many.form, 2) as several,
        ):
            list(several.make([(0, 4)] * 10, lambda: True))
