"""Images by address: what may be read, and one deadline for everything."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from app.config import Settings
from app.domain.errors import ItemInvalid
from app.services.downloads import Deadline, download
from app.services.image_uris import read_image_uri
from tests.app.conftest import png

DEADLINE_SECONDS = 0.3
PATIENCE_SECONDS = 10.0  # of the test: far above the deadline, far below what the host would take
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n"
ANSWERS = {
    "/nothing": (b"", b""),
    "/head": (b"HTTP/1.1 200 OK\r\nX-Long: ", b"a"),
    "/redirect": (b"HTTP/1.1 302 Found\r\nLocation: /whole\r\nX-Long: ", b"a"),
    "/body": (OK + b"\r\n", b"a"),
    "/chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
}


class Dripping:
    """A host that sends the beginning of an answer, then a little at a time, for long."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._accept)]
        self.connections: list[socket.socket] = []
        self.threads[0].start()

    def _accept(self) -> None:
        while not self.stop.is_set():
            connection, _ = self.listener.accept()
            self.connections.append(connection)
            self.threads.append(threading.Thread(target=self._answer, args=(connection,)))
            self.threads[-1].start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                head = connection.recv(65_536).decode(errors="replace")
                self._send(connection, head.partition(" ")[2].split(" ")[0])
            except OSError:
                return  # the reader has gone

    def _send(self, connection: socket.socket, path: str) -> None:
        if path == "/whole":
            body = png()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            return
        start, drop = ANSWERS.get(path, (b"", b""))
        connection.sendall(start)
        gives_up_at = time.monotonic() + 2 * PATIENCE_SECONDS
        while not self.stop.wait(DEADLINE_SECONDS / 10) and time.monotonic() < gives_up_at:
            connection.sendall(drop)

    def close(self) -> None:
        self.stop.set()
        socket.create_connection(self.listener.getsockname()).close()
        self.threads[0].join()
        for connection in self.connections:
            with suppress(OSError):  # a reader may have left before it sent its request
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        self.listener.close()


@pytest.fixture
def dripping() -> Iterator[Dripping]:
    host = Dripping()
    yield host
    host.close()


@pytest.fixture
def limits(settings: Settings, dripping: Dripping) -> Settings:
    """Settings that allow the host, with a short deadline."""
    given = {"image_hosts": (dripping.host, "slow.example"), "image_roots": ("slow://images",)}
    return settings.model_copy(update={**given, "image_download_seconds": DEADLINE_SECONDS})


def refused(uri: str, settings: Settings) -> ItemInvalid:
    """Return the refusal of an image, which comes soon after the deadline."""
    started = time.monotonic()
    with pytest.raises(ItemInvalid) as refusal:
        read_image_uri(uri, settings)
    assert time.monotonic() - started < PATIENCE_SECONDS
    return refusal.value


@pytest.mark.parametrize("path", ANSWERS)
def test_a_host_that_sends_a_little_at_a_time_is_left_at_the_deadline(
    dripping: Dripping, limits: Settings, path: str
) -> None:
    refusal = refused(f"http://{dripping.host}{path}", limits)
    assert refusal.item_code == "image_too_slow"
    assert "SVP_IMAGE_DOWNLOAD_SECONDS" in refusal.detail


def test_a_handshake_counts(dripping: Dripping, limits: Settings) -> None:
    assert refused(f"https://{dripping.host}/", limits).item_code == "image_too_slow"


def test_a_deadline_between_connection_and_handshake_closes_the_connection() -> None:
    class Late(Deadline):
        n_asked = 0

        def left(self) -> float:
            self.n_asked += 1
            if self.n_asked > 1:
                raise TimeoutError
            return PATIENCE_SECONDS

    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(TimeoutError) as late:
            download(url, {}, None, Late(PATIENCE_SECONDS), lambda *_: None)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(PATIENCE_SECONDS)
            assert connection.recv(1) == b""
    del late  # until here it holds the frames, and with them all that nobody closed


def test_what_comes_in_time_is_read(dripping: Dripping, limits: Settings) -> None:
    patient = limits.model_copy(update={"image_download_seconds": PATIENCE_SECONDS})
    assert read_image_uri(f"http://{dripping.host}/whole", patient) == png()


def test_a_name_server_that_does_not_answer_counts(
    limits: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()

    def silent(*_: object, **__: object) -> list[object]:
        answers.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    assert refused("http://slow.example/a.png", limits).item_code == "image_too_slow"
    answers.set()


def test_an_object_store_that_does_not_answer_counts(limits: Settings) -> None:
    answers = threading.Event()

    class Silent(MemoryFileSystem):  # type: ignore[misc]
        protocol = "slow"

        def _open(self, *args: Any, **options: Any) -> Any:
            answers.wait(60)
            return super()._open(*args, **options)

    fsspec.register_implementation("slow", Silent, clobber=True)
    assert refused("slow://images/a.png", limits).item_code == "image_too_slow"
    answers.set()


class TestImageUris:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        root = tmp_path / "images"
        root.mkdir()
        (root / "a.png").write_bytes(png())
        (tmp_path / "secret.png").write_bytes(png())
        (root / "link.png").symlink_to(tmp_path / "secret.png")
        return root

    @pytest.fixture
    def server(self) -> Iterator[int]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(302 if self.path == "/away" else 200)
                self.send_header("Location", "/a.png")
                self.end_headers()
                if self.path != "/large":
                    self.wfile.write(png())
                    return
                for _ in range(40_000):
                    self.wfile.write(bytes(1000))

            def log_message(self, *_: object) -> None:
                pass

        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield server.server_port
            server.shutdown()
            thread.join()

    def test_files_inside_a_root_are_read(self, folder: Path, settings: Settings) -> None:
        allowed = settings.model_copy(update={"image_roots": (str(folder),)})
        assert read_image_uri("a.png", allowed) == png()
        assert read_image_uri(str(folder / "a.png"), allowed) == png()

    @pytest.mark.parametrize(
        "uri",
        [
            "../secret.png",
            "/etc/passwd",
            "link.png",
            "file:///etc/passwd",
            "ftp://host/a.png",
            "http://unlisted.example/a.png",
            "http://localhost:{port}/a.png",
            "http://169.254.169.254/latest",
            "s3://bucket/a.png",
        ],
    )
    def test_everything_else_is_refused(
        self, folder: Path, settings: Settings, server: int, uri: str
    ) -> None:
        allowed = settings.model_copy(
            update={"image_roots": (str(folder),), "image_hosts": ("localhost",)}
        )
        with pytest.raises(ItemInvalid) as refusal:
            read_image_uri(uri.format(port=server), allowed)
        assert refusal.value.item_code == "image_uri_not_allowed"
        assert "SVP_IMAGE_ROOTS" in refusal.value.detail

    def test_listed_address_is_read_and_redirects_are_not_followed(
        self, settings: Settings, server: int
    ) -> None:
        allowed = settings.model_copy(update={"image_hosts": (f"127.0.0.1:{server}",)})
        assert read_image_uri(f"http://127.0.0.1:{server}/a.png", allowed) == png()
        with pytest.raises(ItemInvalid) as refusal:
            read_image_uri(f"http://127.0.0.1:{server}/away", allowed)
        assert refusal.value.item_code == "image_not_found"

    def test_a_large_image_is_read_in_a_time_that_grows_with_its_size_only(
        self, settings: Settings, server: int
    ) -> None:
        host = f"127.0.0.1:{server}"
        limits = {"image_hosts": (host,), "max_image_bytes": 40_000_000}
        allowed, started = settings.model_copy(update=limits), time.thread_time()
        assert len(read_image_uri(f"http://{host}/large", allowed)) == 40_000_000
        assert time.thread_time() - started < 4  # 0.1 s; copied at every piece: over 15 s
        short = allowed.model_copy(update={"max_image_bytes": 39_999_999})
        with pytest.raises(ItemInvalid, match="more than 39999999 bytes"):
            read_image_uri(f"http://{host}/large", short)
