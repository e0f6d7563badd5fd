"""The artifact store returns the stored bytes, whatever happened to the files meanwhile."""

import base64
import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import example, given
from hypothesis import strategies as st

from app.api.downloads import as_file
from app.api.errors import add_error_handlers
from app.domain.errors import ArtifactMissing
from app.storage import artifacts
from app.storage.artifacts import CHUNK_BYTES, ArtifactStore
from app.storage.durable import replaced
from svp_client import Client, ClientError, Retries

LARGE = bytes(range(256)) * (3 * CHUNK_BYTES // 256)  # three chunks
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda data: data[:-1],
    "emptied": lambda _: b"",
    "zeroed": lambda data: bytes(len(data)),
    "one bit": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "longer": lambda data: data + b"x",
}


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    """A store on this machine's disk, and one on a file system without descriptors or folders."""
    urls = {"file": tmp_path.as_uri(), "memory": f"memory://{uuid.uuid4().hex}"}
    return ArtifactStore(urls[request.param])


def path_of(store: ArtifactStore, digest: str) -> str:
    return store._path(digest)  # noqa: SLF001


def overwrite(store: ArtifactStore, digest: str, data: bytes) -> None:
    store._files.pipe_file(path_of(store, digest), data)  # noqa: SLF001


class TestDamage:
    @pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
    @pytest.mark.parametrize("damage", DAMAGES)
    def test_damaged_bytes_are_refused_and_mended_by_storing_them_again(
        self, store: ArtifactStore, damage: str, data: bytes
    ) -> None:
        digest = store.put(data)
        overwrite(store, digest, DAMAGES[damage](data))
        with pytest.raises(ArtifactMissing, match=digest):
            store.get(digest)
        assert store.put(data) == digest
        assert store.get(digest) == data

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_a_stream_of_damaged_bytes_never_ends_as_if_it_were_whole(
        self, store: ArtifactStore, damage: str
    ) -> None:
        digest = store.put(LARGE)
        overwrite(store, digest, DAMAGES[damage](LARGE))
        read = b""
        with pytest.raises(ArtifactMissing):  # noqa: PT012 - what came before counts
            for chunk in store.stream(digest):
                read += chunk
        assert not read or len(read) < len(DAMAGES[damage](LARGE))

    def test_a_file_is_mended_from_a_local_file(self, store: ArtifactStore, tmp_path: Path) -> None:
        source = tmp_path / "weights"
        source.write_bytes(LARGE)
        digest = store.put_file(source)
        overwrite(store, digest, LARGE[:-1])
        assert store.put_file(source) == digest
        assert b"".join(store.stream(digest)) == LARGE

    def test_the_probe_writes_new_bytes_and_leaves_none(self, tmp_path: Path) -> None:
        store = ArtifactStore(tmp_path.as_uri())
        store.check_writable()
        store.check_writable()
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]


class TestDownloads:
    @pytest.fixture
    def client(self, tmp_path: Path) -> Client:
        app, store = FastAPI(), ArtifactStore(tmp_path.as_uri())
        app.get("/api/v1/{digest}")(lambda digest: as_file(store, digest, "weights"))
        add_error_handlers(app)
        http = TestClient(app, raise_server_exceptions=False)
        return Client("http://testserver", "token", retries=Retries(n=0), http=http)

    def test_a_file_comes_with_its_digest(self, client: Client, tmp_path: Path) -> None:
        digest = ArtifactStore(tmp_path.as_uri()).put(LARGE)
        answer = client.request("GET", f"/{digest}")
        assert answer.content == LARGE
        assert answer.headers["ETag"] == f'"{digest}"'
        encoded = base64.b64encode(bytes.fromhex(digest)).decode()
        assert answer.headers["Repr-Digest"] == f"sha-256=:{encoded}:"

    @pytest.mark.parametrize("damage", ["truncated", "emptied", "zeroed", "one bit"])
    def test_a_damaged_file_is_no_success(
        self, client: Client, tmp_path: Path, damage: str
    ) -> None:
        store = ArtifactStore(tmp_path.as_uri())
        digest = store.put(LARGE)
        overwrite(store, digest, DAMAGES[damage](LARGE))
        with pytest.raises(ClientError) as refusal:
            client.request("GET", f"/{digest}")
        assert refusal.value.code in {"download_damaged", "artifact_missing"}


class TestWrites:
    @given(data=st.binary(max_size=300))
    @example(data=b"")
    def test_what_was_stored_comes_back(
        self, tmp_path_factory: pytest.TempPathFactory, data: bytes
    ) -> None:
        store = ArtifactStore(tmp_path_factory.mktemp("store").as_uri())
        assert store.get(store.put(data)) == data
        assert b"".join(store.stream(store.put(data))) == data

    def test_bytes_and_folders_are_forced_to_the_disk_before_put_returns(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced: list[Path] = []
        fsync = os.fsync

        def watched(descriptor: int) -> None:
            synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", watched)
        store = ArtifactStore(tmp_path.as_uri())
        stored = Path(path_of(store, store.put(b"weights")))
        assert synced[0] == stored
        assert set(synced[1:]) == {stored.parent, stored.parent.parent, tmp_path}

    def test_a_batch_is_forced_to_the_disk_before_its_block_ends(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced: list[Path] = []
        monkeypatch.setattr("app.storage.artifacts.sync", synced.append)
        store = ArtifactStore(tmp_path.as_uri())
        with store.batch() as batch:
            first, second = (batch.put(data) for data in (b"1", b"2"))
            assert synced == []
        assert synced[:2] == [Path(path_of(store, digest)) for digest in (first, second)]

    @pytest.mark.parametrize("fault", [OSError(5, "I/O error"), KeyboardInterrupt()])
    def test_a_write_that_fails_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException
    ) -> None:
        def fail(*_: object) -> None:
            raise fault

        store = ArtifactStore((tmp_path / "store").as_uri())
        with monkeypatch.context() as patch:
            patch.setattr("fsspec.implementations.local.LocalFileSystem.mv", fail)
            with pytest.raises(type(fault)):
                store.put(b"weights")
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(type(fault)), replaced(tmp_path / "results") as file:
            file.write(b"half")
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]

    def test_a_file_is_replaced_whole_or_not_at_all(self, tmp_path: Path) -> None:
        path = tmp_path / "new folder" / "results"
        with replaced(path) as file:
            file.write(b"old")
        with pytest.raises(RuntimeError), replaced(path) as file:  # noqa: PT012
            file.write(b"ne")
            raise RuntimeError
        assert path.read_bytes() == b"old"
        assert [entry.name for entry in path.parent.iterdir()] == ["results"]


class TestDiscard:
    def test_old_bytes_go_and_young_ones_stay(self, store: ArtifactStore) -> None:
        digest = store.put(b"bytes")
        assert not store.discard(digest, 60)
        assert store.get(digest) == b"bytes"
        assert store.discard(digest, 0)
        assert store.discard(digest, 60)  # already gone
        with pytest.raises(ArtifactMissing):
            store.get(digest)
        assert store.put(b"bytes") == digest
        assert store.get(digest) == b"bytes"

    def test_storing_them_again_makes_them_young(self, tmp_path: Path) -> None:
        store = ArtifactStore(tmp_path.as_uri())
        path = Path(path_of(store, store.put(b"bytes")))
        os.utime(path, (0, 0))
        store.put(b"bytes")
        assert not store.discard(path.name, 60)

    def test_old_ones_that_cannot_be_touched_are_written_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = ArtifactStore(f"memory://{uuid.uuid4().hex}")
        digest = store.put(b"bytes")
        monkeypatch.setattr(artifacts, "YOUNG_SECONDS", 0)
        written = store._files.modified(path_of(store, digest))  # noqa: SLF001
        store.put(b"bytes")
        assert store._files.modified(path_of(store, digest)) > written  # noqa: SLF001

    def test_a_removal_that_was_cut_off_is_ended(self, tmp_path: Path) -> None:
        store = ArtifactStore(tmp_path.as_uri())
        path = Path(path_of(store, store.put(b"bytes")))
        path.rename(f"{path}.discarded")
        assert store.discard(path.name, 0)
        assert not [p for p in tmp_path.rglob("*") if p.is_file()]
