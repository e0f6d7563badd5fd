"""Requests that are sent again, after how long, and those that are not."""

import io
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from svp_client import Client, ClientError, Retries
from svp_client.retries import retry_after_seconds
from tests.svp_client.ask import QUICK, Answers, Ask

LABELS = [{"item_id": 1, "class": "a"}]
SETTINGS = {
    "name": "p",
    "modality": "text",
    "classes": ["a", "b"],
    "initial_budget": 1,
    "round_budget": 1,
    "total_budget": 1,
}
LABELED = httpx.Response(200, json={"results": []})


def busy(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers, text="busy")


class TestAnswers:
    @pytest.mark.parametrize("status", [429, 502, 503, 504])
    def test_reading_and_labels_are_sent_again(self, ask: Ask, status: int) -> None:
        asked = {"project": (1,), "next_batch": (1,), "submit_labels": (1, LABELS)}
        for method, args in asked.items():
            answers = Answers(busy(status), busy(status), LABELED)
            ask(answers, method, *args)
            assert len(answers.requests) == 3
            assert len({request.content for request in answers.requests}) == 1

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500, 507])
    def test_other_refusals_are_not(self, ask: Ask, status: int) -> None:
        answers = Answers(busy(status))
        with pytest.raises(ClientError) as error:
            ask(answers, "project", 1)
        assert (error.value.status, len(answers.requests)) == (status, 1)

    @pytest.mark.parametrize("status", [502, 503, 504])
    def test_what_may_have_been_done_and_must_not_be_done_twice_is_not(
        self, ask: Ask, status: int
    ) -> None:
        for method, args, given in (
            ("create_project", (), SETTINGS),
            ("begin_next_round", (1,), {}),
            ("requeue", (1, [1]), {}),
            ("create_token", ("ada",), {}),
        ):
            answers = Answers(busy(status))
            with pytest.raises(ClientError):
                ask(answers, method, *args, **given)
            assert len(answers.requests) == 1

    def test_what_was_refused_unprocessed_is_sent_again_whatever_it_does(self, ask: Ask) -> None:
        answers = Answers(busy(429), httpx.Response(201, json={"id": 1}))
        assert ask(answers, "create_project", **SETTINGS) == {"id": 1}

    def test_after_n_retries_the_last_refusal_is_raised(self, ask: Ask) -> None:
        answers = Answers(busy(503))
        with pytest.raises(ClientError) as error:
            ask(answers, "project", 1)
        assert (error.value.status, len(answers.requests)) == (503, 1 + QUICK.n)

    def test_no_retries_are_none(self, ask: Ask) -> None:
        answers = Answers(busy(503))
        with pytest.raises(ClientError):
            ask(answers, "project", 1, retries=Retries(n=0))
        assert len(answers.requests) == 1

    def test_who_is_asked_to_wait_longer_than_allowed_raises_at_once(self, ask: Ask) -> None:
        answers = Answers(busy(503, **{"Retry-After": "3600"}))
        with pytest.raises(ClientError):
            ask(answers, "project", 1)
        assert len(answers.requests) == 1


class TestConnections:
    def test_what_is_safe_is_sent_again_after_a_break(self, ask: Ask) -> None:
        answers = Answers(httpx.ReadError("cut"), httpx.RemoteProtocolError("gone"), LABELED)
        assert ask(answers, "submit_labels", 1, LABELS) == []

    def test_what_is_not_safe_raises_and_says_to_look(self, ask: Ask) -> None:
        answers = Answers(httpx.ReadError("cut"))
        with pytest.raises(ClientError) as error:
            ask(answers, "create_project", **SETTINGS)
        assert (error.value.status, error.value.code) == (0, "service_unreachable")
        assert "may have processed it" in error.value.__notes__[0]
        assert len(answers.requests) == 1

    def test_what_never_left_is_sent_again_whatever_it_does(self, ask: Ask) -> None:
        answers = Answers(httpx.ConnectError("refused"), httpx.Response(201, json={"id": 1}))
        assert ask(answers, "create_project", **SETTINGS) == {"id": 1}

    def test_a_file_is_sent_again_from_where_it_stood(self, ask: Ask) -> None:
        file = io.BytesIO(b"header and features")
        file.seek(11)
        answers = Answers(httpx.ReadError("cut"), httpx.Response(200, json={"n": 1}))
        ask(answers, "bring_features", 1, file)
        assert [request.content for request in answers.requests] == [b"features"] * 2

    def test_a_stream_that_cannot_go_back_is_not(self, ask: Ask) -> None:
        class Pipe(io.BytesIO):
            def seekable(self) -> bool:
                return False

        answers = Answers(httpx.ReadError("cut"))
        with pytest.raises(ClientError):
            ask(answers, "bring_features", 1, Pipe(b"features"))
        assert len(answers.requests) == 1


class TestWaits:
    def test_they_double_within_their_upper_half_up_to_the_longest(self) -> None:
        retries = Retries(n=8, first_seconds=1.0, longest_seconds=10.0)
        for n, longest in enumerate([1.0, 2.0, 4.0, 8.0, 10.0, 10.0]):
            waits = [retries.wait_seconds(n) or 0.0 for _ in range(50)]
            assert longest / 2 <= min(waits) < max(waits) <= longest
        assert retries.wait_seconds(8) is None

    def test_a_longer_retry_after_is_kept_to(self) -> None:
        retries = Retries(first_seconds=1.0, longest_seconds=10.0)
        waits = [retries.wait_seconds(0, asked_seconds=5.0) or 0.0 for _ in range(50)]
        assert 5.0 <= min(waits) < max(waits) <= 6.0
        assert retries.wait_seconds(0, asked_seconds=11.0) is None

    def test_retry_after_is_seconds_or_a_date(self) -> None:
        def asked(value: str) -> float:
            return retry_after_seconds(httpx.Response(503, headers={"Retry-After": value}))

        later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
        assert asked("7") == 7.0
        assert 55 < asked(later) <= 60
        assert asked("Mon, 01 Jan 2001 00:00:00 GMT") == 0.0
        assert asked("soon") == asked("") == 0.0


class Breaking:
    """A server that drops the first connections after it has read the request."""

    def __init__(self, n_broken: int) -> None:
        self.n_requests = 0
        self._n_broken = n_broken
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        body = b'{"results": []}'
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                self.n_requests += 1
                if self.n_requests > self._n_broken:
                    connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def close(self) -> None:
        """Stop serving."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@pytest.fixture
def breaking() -> Iterator[Breaking]:
    server = Breaking(n_broken=2)
    yield server
    server.close()


class TestRealConnections:
    def test_labels_survive_two_broken_connections(self, breaking: Breaking) -> None:
        with Client(breaking.url, "token", retries=QUICK) as client:
            assert client.submit_labels(1, LABELS) == []
        assert breaking.n_requests == 3

    def test_no_service_is_an_error_that_says_what_to_check(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with Client(url, "token", retries=QUICK) as client, pytest.raises(ClientError) as error:
            client.project(1)
        assert error.value.code == "service_unreachable"
        assert url in error.value.detail

    def test_a_proxy_of_the_environment_is_ignored_on_this_machine_unless_wanted(
        self, breaking: Breaking, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with Client(breaking.url, "token", retries=QUICK) as client:
            assert client.submit_labels(1, LABELS) == []
        with (
            Client(breaking.url, "token", retries=QUICK, trust_env=True) as client,
            pytest.raises(ClientError),
        ):
            client.submit_labels(1, LABELS)
