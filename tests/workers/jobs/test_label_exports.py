"""Exports by a job: the same file as streamed, whatever stops it, gone when it should be."""

import hashlib
import threading
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import projects
from app.db.session import transaction
from app.db.tables import JobKind, Role, Split
from app.domain.errors import JobFenced
from app.services.deletions import remove_some
from app.services.erasures import erase_items
from app.services.jobs import COMPUTING, ClaimedJob, give_back
from app.services.prepared_items import ItemIn
from app.storage.artifacts import ArtifactStore
from svp_client import Client, ClientError
from tests.app.conftest import MakeClient, http, make_client, plain_tracebacks
from tests.loop import claim_waiting, create_draft, ids, import_lines
from workers.jobs.attempt import Attempt
from workers.jobs.label_exports import run_label_export
from workers.jobs.packs import PackingStopped

__all__ = ["http", "make_client", "plain_tracebacks"]  # fixtures
N = 5000


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"streamed_labels": 10, "discard_after_seconds": 0.0})


class Rig:
    """A draft of labeled texts, an admin, and a worker that does exports when told."""

    def __init__(self, factory: sessionmaker[Session], settings: Settings, admin: Client) -> None:
        self.factory, self.settings, self.admin = factory, settings, admin
        self.store = ArtifactStore(settings.artifact_store_url)
        with transaction(factory) as session:
            self.project = create_draft(session).id
            lines = (ItemIn(f"t-{i}", Split.POOL, "ab"[i % 2], f"é {i}") for i in range(N))
            import_lines(session, settings, self.project, lines)

    def claim(self) -> ClaimedJob:
        claimed = claim_waiting(self.factory, self.settings, self.project)
        assert claimed is not None
        return claimed

    def run(self, gives_way: Callable[[], bool] = lambda: False) -> ClaimedJob:
        claimed = self.claim()
        attempt = Attempt(claimed, self.settings, self.factory, self.store, lambda: False)
        run_label_export(attempt, gives_way)
        return claimed

    def give_back(self, claimed: ClaimedJob) -> None:
        with transaction(self.factory) as session:
            give_back(session, claimed.id, claimed.token)

    def content(self, number: int) -> bytes:
        return b"".join(self.admin.label_export_file(self.project, number))

    def partial_files(self) -> list[Path]:
        return list((self.settings.cache_folder / "exports").glob("*/*"))

    def execute(self, statement: str) -> None:
        with transaction(self.factory) as session:
            session.execute(text(statement))


@pytest.fixture
def rig(session_factory: sessionmaker[Session], settings: Settings, make_client: MakeClient) -> Rig:
    return Rig(session_factory, settings, make_client("root", Role.ADMIN))


class TestJob:
    def test_the_file_holds_what_the_filter_leaves_with_its_digest(self, rig: Rig) -> None:
        asked = rig.admin.create_label_export(rig.project, "csv", class_="a")
        assert (asked["state"], asked["n_labels"], asked["url"]) == ("queued", N // 2, None)
        with pytest.raises(ClientError, match="label_export_not_ready"):
            rig.content(asked["id"])
        rig.run()
        (found,) = rig.admin.label_exports(rig.project)
        data = rig.content(found["id"])
        assert (found["state"], found["n_written"]) == ("succeeded", N // 2)
        assert found["sha256"] == hashlib.sha256(data).hexdigest()
        assert found["size_bytes"] == len(data)
        assert len(data.decode().splitlines()) == N // 2 + 1
        assert rig.partial_files() == []

    @pytest.mark.parametrize("format_", ["jsonl", "csv", "label-studio", "fasttext"])
    def test_an_interrupted_file_of_lines_is_continued(self, rig: Rig, format_: str) -> None:
        rig.admin.create_label_export(rig.project, format_)
        rig.run()
        asked = iter([False, False, True])
        rig.admin.create_label_export(rig.project, format_)
        claimed = rig.claim()
        attempt = Attempt(claimed, rig.settings, rig.factory, rig.store, lambda: False)
        with pytest.raises(PackingStopped):
            run_label_export(attempt, lambda: next(asked))
        begun = next(path for path in rig.partial_files() if path.suffix == "")
        assert begun.stat().st_size > 0
        with begun.open("ab") as file:  # written after it was last noted how far the file is
            file.write(b"torn")
        inode = begun.stat().st_ino
        rig.give_back(claimed)
        seen: list[int] = []

        def look() -> bool:
            seen.append(begun.stat().st_ino)
            return False

        rig.run(look)
        assert set(seen) == {inode}
        first, second = (rig.content(e["id"]) for e in rig.admin.label_exports(rig.project))
        assert first == second

    def test_a_cancelled_export_leaves_nothing(self, rig: Rig) -> None:
        asked = rig.admin.create_label_export(rig.project, "csv")

        def cancel() -> bool:
            if rig.admin.label_export(rig.project, asked["id"])["state"] == "running":
                rig.admin.cancel_job(rig.project, asked["job_id"])
            return False

        with pytest.raises(JobFenced):
            rig.run(cancel)
        assert rig.partial_files() == []
        while remove_some(rig.factory, rig.store, rig.settings):
            pass
        store = Path(rig.settings.artifact_store_url.removeprefix("file://"))
        assert [path for path in store.rglob("*") if path.is_file()] == []

    def test_an_expired_file_is_removed_and_its_row_says_so(self, rig: Rig) -> None:
        number = rig.admin.create_label_export(rig.project, "csv")["id"]
        rig.run()
        digest = rig.admin.label_export(rig.project, number)["sha256"]
        rig.execute("UPDATE label_exports SET expires_at = now() - interval '1 s'")
        while remove_some(rig.factory, rig.store, rig.settings):
            pass
        found = rig.admin.label_export(rig.project, number)
        assert (found["sha256"], found["url"]) == (None, None)
        with pytest.raises(ClientError, match="has expired"):
            rig.content(number)
        assert not list(Path(rig.settings.data_folder).rglob(f"{digest}"))

    def test_erased_items_are_in_no_file(self, rig: Rig) -> None:
        before = rig.admin.create_label_export(rig.project, "csv")["id"]
        rig.run()
        after = rig.admin.create_label_export(rig.project, "csv")["id"]
        (item,) = ids(rig.factory, rig.project, 4)
        erased: list[int] = []

        def erase() -> bool:
            if not erased:
                with transaction(rig.factory) as session:
                    erased.append(erase_items(session, rig.project, [item], rig.settings))
            return False

        rig.run(erase)
        with pytest.raises(ClientError, match="has expired"):
            rig.content(before)
        assert b"t-4," not in rig.content(after)
        assert rig.admin.label_export(rig.project, after)["n_written"] == N - 1

    def test_a_deleted_project_takes_its_files_along(self, rig: Rig) -> None:
        rig.admin.create_label_export(rig.project, "csv")
        rig.run()
        with transaction(rig.factory) as session:
            name = projects.get(session, rig.project).name
        rig.admin.delete_project(rig.project, name)
        while remove_some(rig.factory, rig.store, rig.settings):
            pass
        store = Path(rig.settings.artifact_store_url.removeprefix("file://"))
        assert [path for path in store.rglob("*") if path.is_file()] == []


class TestLargeAndSmall:
    """What one answer can hold is streamed; for the rest the client lets a worker write it."""

    @pytest.fixture
    def working(self, rig: Rig) -> Iterator[list[ClaimedJob]]:
        """Does the jobs that wait, beside the test."""
        done: list[ClaimedJob] = []
        end = threading.Event()

        def work() -> None:
            while not end.wait(0.02):
                found = claim_waiting(rig.factory, rig.settings, rig.project)
                if found is not None:
                    attempt = Attempt(found, rig.settings, rig.factory, rig.store, lambda: False)
                    run_label_export(attempt, lambda: False)
                    done.append(found)

        thread = threading.Thread(target=work)
        thread.start()
        yield done
        end.set()
        thread.join()

    def test_too_many_for_one_answer_are_refused_with_what_to_do(self, rig: Rig) -> None:
        path = f"/projects/{rig.project}/labels"
        with pytest.raises(ClientError, match="label-exports") as refused:
            rig.admin.request("GET", path, params={"format": "csv"})
        assert (refused.value.status, refused.value.code) == (409, "export_too_large")

    def test_the_client_reads_both_alike(self, rig: Rig, working: list[ClaimedJob]) -> None:
        labels = list(rig.admin.export_labels(rig.project))
        assert [row["index"] for row in labels] == list(range(N))
        csv = rig.admin.export_labels_csv(rig.project)
        assert csv.encode() == b"".join(rig.admin.stream_labels(rig.project))
        assert csv.encode() == rig.admin.download_labels(rig.project)
        with zipfile.ZipFile(BytesIO(rig.admin.download_labels(rig.project, "hugging-face"))) as z:
            assert "data/train-00000.parquet" in z.namelist()
        assert {job.kind for job in working} == {JobKind.EXPORT_LABELS} <= COMPUTING
        n = len(working)
        assert list(rig.admin.export_labels(rig.project, since="2100-01-01T00:00:00Z")) == []
        assert len(working) == n == 5

    def test_what_cannot_be_written_is_refused_at_once(self, rig: Rig) -> None:
        for ask in (rig.admin.download_labels, rig.admin.create_label_export):
            with pytest.raises(ClientError, match="ask for fasttext or csv") as refused:
                ask(rig.project, "images")
            assert refused.value.code == "export_invalid"
