"""Imports by a worker: every line once, whatever stops it in between."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import imports as queries
from app.db.queries import projects
from app.db.queries.invariants import find_violations
from app.db.queries.labels import work_by_annotator
from app.db.session import transaction
from app.db.tables import Import, Item, Job, Project, RefusedImportLine
from app.domain.errors import ArtifactMissing, JobFenced, TransitionNotAllowed
from app.domain.states import JobState
from app.services.file_imports import cancel_import, create_import
from app.services.jobs import ClaimedJob, give_back, retry
from app.services.projects import ModelChoice
from app.storage.artifacts import ArtifactStore
from tests.app.imports.written import class_folders, png, zipped
from tests.app.serving_files import FileHost
from tests.loop import claim_waiting, create_draft
from workers.jobs.attempt import Attempt
from workers.jobs.imports import run_import
from workers.jobs.packs import PackingStopped

LINES = [{"id": f"r-{i}", "text": f"text {i}", "class": "ab"[i % 2]} for i in range(50)]
BAD = ['{"id": "x", "text": " "}', "no json", '{"id": "y", "text": "t", "class": "c"}']
CONTENT = "\n".join([*(json.dumps(line) for line in LINES), *BAD]).encode()


class ImportRig:
    """A draft of texts and one import into it, in pieces of ten lines."""

    def __init__(self, factory: sessionmaker[Session], settings: Settings) -> None:
        self.factory = factory
        self.settings = settings.model_copy(update={"import_chunk_lines": 10})
        self.store = ArtifactStore(settings.artifact_store_url)
        with transaction(factory) as session:
            self.project = create_draft(session).id

    def ask(self, content: bytes = CONTENT, name: str = "x.jsonl", **options: Any) -> int:
        source = {"name": name, "content_hash": self.store.put(content)}
        with transaction(self.factory) as session:
            return create_import(session, self.project, source, options, self.settings)[0].id

    def claim(self) -> ClaimedJob:
        claimed = claim_waiting(self.factory, self.settings, self.project)
        assert claimed is not None
        return claimed

    def run(self, should_stop: Callable[[], bool] = lambda: False) -> ClaimedJob:
        claimed = self.claim()
        run_import(Attempt(claimed, self.settings, self.factory, self.store, should_stop))
        return claimed

    def found(self, number: int) -> tuple[Import, Job]:
        with transaction(self.factory) as session:
            found = queries.get(session, self.project, number)
        assert found is not None
        return found

    def refused(self, number: int) -> list[RefusedImportLine]:
        with transaction(self.factory) as session:
            return queries.refused_page(session, number, 0, 1000)

    def row(self) -> Project:
        with transaction(self.factory) as session:
            return projects.get(session, self.project)


@pytest.fixture
def rig(session_factory: sessionmaker[Session], settings: Settings) -> ImportRig:
    return ImportRig(session_factory, settings)


def stop_after(n: int) -> Callable[[], bool]:
    """Return what says stop once it was asked n times."""
    asked = iter(range(n))
    return lambda: next(asked, None) is None


class TestImports:
    def test_items_are_stored_and_refused_lines_kept_with_their_reasons(
        self, rig: ImportRig
    ) -> None:
        number = rig.ask()
        rig.run()
        found, job = rig.found(number)
        assert (job.state, found.format) == (JobState.SUCCEEDED, "json")
        assert (found.n_done, found.n_created, found.n_failed) == (53, 50, 3)
        assert (rig.row().n_pool, rig.row().n_imported) == (50, 50)
        assert sorted((r.line, r.code) for r in rig.refused(number)) == [
            (51, "line_invalid"), (52, "line_invalid"), (53, "unknown_class"),
        ]  # fmt: skip

    def test_labels_by_annotator_and_skips_are_counted(self, rig: ImportRig) -> None:
        """As Label Studio has them: two people, of whom one skips every fifth."""

        def said(who: int, name: str, *, skips: bool = False) -> dict[str, Any]:
            value = {"type": "choices", "value": {"choices": [name]}}
            result = [] if skips else [value]
            return {"completed_by": who, "was_cancelled": skips, "result": result}

        tasks = [
            {
                "id": i,
                "data": {"text": f"text {i}"},
                "annotations": [said(1, "ab"[i % 2]), said(2, "a", skips=i % 5 == 0)],
            }
            for i in range(25)
        ]
        options = {"annotators": {"1": "ada", "2": "bob"}}
        number = rig.ask(json.dumps(tasks).encode(), "x.json", **options)
        rig.run()
        found, _ = rig.found(number)
        assert (found.format, found.n_created, found.n_failed) == ("label-studio", 25, 0)
        assert (found.n_labels, found.n_skips) == (45, 5)
        with transaction(rig.factory) as session:
            work = work_by_annotator(session, rig.project)
            assert list(find_violations(session)) == []
        assert {each.name: each.n_labels for each in work} == {"ada": 25, "bob": 20}
        n_tied = sum(i % 2 == 1 and i % 5 != 0 for i in range(25))
        assert rig.row().n_imported == 25 - n_tied
        again = rig.ask(json.dumps(tasks).encode(), "x.json", **options)
        rig.run()
        found, _ = rig.found(again)
        assert (found.n_known, found.n_labels, found.n_updated) == (25, 0, 0)

    def test_a_stopped_import_resumes_behind_its_last_piece(self, rig: ImportRig) -> None:
        number = rig.ask()
        claimed = rig.claim()
        with pytest.raises(PackingStopped):
            run_import(Attempt(claimed, rig.settings, rig.factory, rig.store, stop_after(2)))
        assert (rig.found(number)[0].n_done, rig.row().n_pool) == (20, 20)
        with transaction(rig.factory) as session:
            give_back(session, claimed.id, claimed.token)
        rig.run()
        found, _ = rig.found(number)
        assert (found.n_done, found.n_created, found.n_known, found.n_failed) == (53, 50, 0, 3)
        assert len(rig.refused(number)) == 3

    def test_a_killed_worker_costs_no_line_and_doubles_none(self, rig: ImportRig) -> None:
        number = rig.ask()
        claimed = rig.claim()

        def die() -> bool:
            if rig.row().n_pool == 30:
                raise SystemExit  # at once, between two pieces, the row still running
            return False

        with pytest.raises(SystemExit):
            run_import(Attempt(claimed, rig.settings, rig.factory, rig.store, die))
        with transaction(rig.factory) as session:
            give_back(session, claimed.id, claimed.token)  # as the sweeper does
        rig.run()
        found, _ = rig.found(number)
        assert (found.n_created, found.n_known, rig.row().n_pool) == (50, 0, 50)

    def test_a_cancelled_import_stores_nothing_more(self, rig: ImportRig) -> None:
        number = rig.ask()

        def cancel() -> bool:
            if rig.row().n_pool == 20:
                with transaction(rig.factory) as session:
                    cancel_import(session, rig.project, number)
            return False

        with pytest.raises(JobFenced):
            rig.run(cancel)
        assert rig.found(number)[1].state == JobState.CANCELLED
        assert rig.row().n_pool == 20
        with transaction(rig.factory) as session, pytest.raises(TransitionNotAllowed):
            cancel_import(session, rig.project, number)

    def test_a_file_that_cannot_be_read_fails_at_once_and_can_be_retried(
        self, rig: ImportRig
    ) -> None:
        number = rig.ask(b"\x00\x01\x02", "x.bin")
        rig.run()
        _, job = rig.found(number)
        assert (job.state, job.attempts) == (JobState.FAILED, 1)
        assert "The format of x.bin is none that is known" in (job.error or "")
        with transaction(rig.factory) as session:
            retry(session, rig.project, job.id, rig.settings)
        assert rig.found(number)[1].state == JobState.QUEUED

    def test_options_say_how_a_table_is_read(self, rig: ImportRig) -> None:
        content = "key;says\n1;b\xfcro\n2;haus\n".encode("latin-1")
        columns = {"key": "external_id", "says": "text"}
        number = rig.ask(content, "x.csv", columns=columns, delimiter=";", encoding="cp1252")
        rig.run()
        assert rig.found(number)[0].n_created == 2

    def test_images_of_an_archive(self, rig: ImportRig, tmp_path: Path) -> None:
        with transaction(rig.factory) as session:
            rig.project = create_draft(
                session, "images", "image", ["warm", "cold"], proxy=ModelChoice("preact8", {})
            ).id
        number = rig.ask(zipped(tmp_path / "a.zip", class_folders()).read_bytes(), "a.zip")
        rig.run()
        found, _ = rig.found(number)
        assert (found.format, found.n_created) == ("images", 2)
        assert rig.row().n_imported == 2

    def test_a_file_is_read_from_where_the_operator_allows(
        self, rig: ImportRig, tmp_path: Path
    ) -> None:
        (tmp_path / "there").mkdir()
        (tmp_path / "there" / "x.jsonl").write_bytes(CONTENT)
        for roots, state in (((), JobState.FAILED), ((str(tmp_path),), JobState.SUCCEEDED)):
            rig.settings = rig.settings.model_copy(update={"image_roots": roots})
            source = {"name": "x.jsonl", "uri": "there/x.jsonl"}
            with transaction(rig.factory) as session:
                number = create_import(session, rig.project, source, {}, rig.settings)[0].id
            rig.run()
            assert rig.found(number)[1].state == state

    @pytest.mark.parametrize("copies", [True, False])
    def test_images_behind_addresses_are_stored_on_request(
        self, rig: ImportRig, *, copies: bool
    ) -> None:
        """What is stored here is read once; the others are named by their address."""
        with transaction(rig.factory) as session:
            rig.project = create_draft(
                session, "images", "image", proxy=ModelChoice("preact8", {})
            ).id
        images = {"/a.png": png("red"), "/b.png": png("blue")}
        with FileHost(images, {}) as host:
            rig.settings = rig.settings.model_copy(update={"image_hosts": (host.name,)})
            rows = [{"id": path, "image_uri": host.url + path} for path in (*images, "/gone.png")]
            content = "\n".join(map(json.dumps, rows)).encode()
            number = rig.ask(content, "x.jsonl", copies_images=copies)
            rig.run()
            address = host.url
        found, _ = rig.found(number)
        assert (found.n_created, found.n_failed) == (2, 1)
        assert [(r.line, r.code) for r in rig.refused(number)] == [(3, "image_not_found")]
        with transaction(rig.factory) as session:
            items = {item.external_id: item for item in session.scalars(select(Item))}
        for path, data in images.items():
            digest = str(items[path].content_hash)
            assert items[path].image_uri == (None if copies else f"{address}{path}")
            if copies:
                assert rig.store.get(digest) == data
            else:
                with pytest.raises(ArtifactMissing):
                    rig.store.get(digest)

    def test_an_object_store_is_copied_first(self, rig: ImportRig) -> None:
        with fsspec.open("memory://bucket/x.jsonl", "wb") as file:
            file.write(CONTENT)
        rig.settings = rig.settings.model_copy(update={"image_roots": ("memory://bucket",)})
        source = {"name": "x.jsonl", "uri": "memory://bucket/x.jsonl"}
        with transaction(rig.factory) as session:
            number = create_import(session, rig.project, source, {}, rig.settings)[0].id
        rig.run()
        assert rig.found(number)[0].n_created == 50


class TestEvaluationShare:
    @pytest.mark.parametrize("share", [0.0, 0.4, 0.9])
    def test_a_share_of_the_items_with_a_class_measures_the_models(
        self, rig: ImportRig, share: float
    ) -> None:
        lines = [{"id": f"r-{i}", "text": f"t {i}", "class": "ab"[i % 2]} for i in range(200)]
        rig.ask("\n".join(map(json.dumps, lines)).encode(), evaluation_share=share)
        rig.run()
        assert rig.row().n_evaluation == pytest.approx(200 * share, abs=25)
        assert rig.row().n_imported + rig.row().n_evaluation == 200

    def test_items_without_a_class_or_with_a_split_stay_where_they_are(
        self, rig: ImportRig
    ) -> None:
        lines = [
            *({"id": f"u-{i}", "text": f"u {i}"} for i in range(20)),
            *({"id": f"p-{i}", "text": f"p {i}", "class": "a", "split": "pool"} for i in range(20)),
        ]
        rig.ask("\n".join(map(json.dumps, lines)).encode(), evaluation_share=0.9)
        rig.run()
        assert (rig.row().n_pool, rig.row().n_evaluation) == (40, 0)
