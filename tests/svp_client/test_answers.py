"""The client reads answers: errors, pages, streams, and the results of imports."""

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from svp_client import AsyncClient, Client, ClientError
from svp_client.connection import is_loopback
from svp_client.types import ImportResult
from tests.svp_client.ask import Answers, Ask

NDJSON = {"Content-Type": "application/x-ndjson"}


def refused(ask: Ask, answer: httpx.Response, method: str = "project") -> ClientError:
    with pytest.raises(ClientError) as error:
        ask(Answers(answer), method, 1)
    return error.value


class TestErrors:
    def test_a_problem_gives_its_status_code_detail_and_request(self, ask: Ask) -> None:
        problem = {"code": "not_found", "detail": "There is no project 1."}
        answer = httpx.Response(404, json=problem, headers={"X-Request-ID": "abc"})
        error = refused(ask, answer)
        assert (error.status, error.code, error.detail) == (404, *problem.values())
        assert error.request_id == "abc"
        assert str(error) == "There is no project 1. (404 not_found)"

    @pytest.mark.parametrize("method", ["project", "export_labels"])
    def test_a_proxys_page_is_an_error_that_shows_its_text(self, ask: Ask, method: str) -> None:
        page = "<html><style>p{}</style><title>413</title><p>Entity too\nlarge</p></html>"
        error = refused(ask, httpx.Response(413, html=page), method)
        assert (error.status, error.code) == (413, "not_json")
        assert "413 Entity too large" in error.detail
        assert "<" not in error.detail

    @pytest.mark.parametrize("method", ["project", "export_labels", "items"])
    def test_a_page_with_status_200_is_one_too(self, ask: Ask, method: str) -> None:
        error = refused(ask, httpx.Response(200, html="<p>Please sign in</p>"), method)
        assert (error.status, error.code) == (200, "not_json")
        assert "Please sign in" in error.detail

    @pytest.mark.parametrize("body", [b"", b"null", b"[1]", b'{"message": "no"}', b"\xff\xfe"])
    def test_an_error_of_any_other_form_is_one_too(self, ask: Ask, body: bytes) -> None:
        assert refused(ask, httpx.Response(400, content=body)).code == "not_json"

    def test_not_modified_is_an_answer(self, ask: Ask) -> None:
        answer = ask(Answers(httpx.Response(304)), "request", "GET", "/projects/1/items/1/image")
        assert answer.status_code == 304

    def test_a_redirect_names_the_url_to_use(self, ask: Ask) -> None:
        answer = httpx.Response(301, headers={"Location": "https://service/api/v1/projects/1"})
        error = refused(ask, answer)
        assert error.code == "redirected"
        assert "https://service/api" in error.detail

    @pytest.mark.parametrize("url", ["", "service:8000", "localhost", "ftp://service", "http://"])
    def test_what_is_no_url_is_refused_when_the_client_is_made(self, url: str) -> None:
        for kind in (Client, AsyncClient):
            with pytest.raises(ClientError, match="is not a URL"):
                kind(url, "token")

    @pytest.mark.parametrize(
        ("url", "is_local"),
        [
            ("http://127.0.0.1:8000", True),
            ("http://127.9.9.9", True),
            ("http://[::1]:8000", True),
            ("http://localhost/", True),
            ("http://svp.localhost", True),
            ("http://192.168.1.5:8000", False),
            ("https://labels.example.org", False),
            ("http://localhost.example.org", False),
        ],
    )
    def test_loopback_is_told_by_the_host(self, url: str, is_local: bool) -> None:
        assert is_loopback(url) is is_local


class TestLists:
    def test_pages_are_fetched_to_their_end(self, ask: Ask) -> None:
        answers = Answers(
            httpx.Response(200, json={"items": [{"index": 0}], "next_cursor": 0}),
            httpx.Response(200, json={"items": [{"index": 1}], "next_cursor": None}),
        )
        assert ask(answers, "items", 1) == [{"index": 0}, {"index": 1}]
        assert [dict(r.url.params) for r in answers.requests] == [
            {"split": "pool", "limit": "1000"},
            {"split": "pool", "limit": "1000", "cursor": "0"},
        ]

    def test_a_project_is_found_on_a_later_page_and_no_further_page_is_asked_for(
        self, ask: Ask
    ) -> None:
        answers = Answers(
            httpx.Response(200, json={"projects": [{"name": "a"}], "next_cursor": 1}),
            httpx.Response(200, json={"projects": [{"name": "b"}], "next_cursor": 2}),
        )
        assert ask(answers, "find_project", "b") == {"name": "b"}
        assert len(answers.requests) == 2

    def test_streams_are_cut_at_line_feeds_only(self, ask: Ask) -> None:
        labels = [{"external_id": f"a{end}b"} for end in "\u2028\u2029\x85\x0b\x0c\x1c\r"]
        body = "".join(json.dumps(x, ensure_ascii=False) + "\n" for x in labels).encode()
        answers = Answers(httpx.Response(200, content=body, headers=NDJSON))
        assert ask(answers, "export_labels", 1) == labels

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
    def test_lines_may_come_in_pieces(self, ask: Ask, size: int) -> None:
        body = '{"a": "ä"}\n\n{"b": 1}\n{"c": 2}'.encode()

        def answer(_request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, headers=NDJSON, stream=Pieces(body, size))

        assert ask(answer, "export_labels", 1) == [{"a": "ä"}, {"b": 1}, {"c": 2}]

    @pytest.mark.parametrize("rest", [b'{"b": ', httpx.ReadError("cut")])
    def test_a_stream_that_breaks_off_is_an_error(self, ask: Ask, rest: bytes | Exception) -> None:
        def answer(_request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, headers=NDJSON, stream=Pieces(b'{"a": 1}\n', 9, rest))

        with pytest.raises(ClientError) as error:
            ask(answer, "export_labels", 1)
        assert error.value.code == "answer_cut_off"


class TestFiles:
    @pytest.mark.parametrize("method", ["model_weights", "image"])
    def test_a_file_that_is_not_the_one_that_was_sent_is_refused(
        self, ask: Ask, method: str
    ) -> None:
        digest = base64.b64encode(hashlib.sha256(b"weights").digest()).decode()
        headers = {"Repr-Digest": f"sha-256=:{digest}:"}
        whole = Answers(httpx.Response(200, content=b"weights", headers=headers))
        assert ask(whole, method, 1, 2) == b"weights"
        with pytest.raises(ClientError) as error:
            ask(Answers(httpx.Response(200, content=b"weight", headers=headers)), method, 1, 2)
        assert error.value.code == "download_damaged"


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that comes in pieces, and may break off."""

    def __init__(self, body: bytes, size: int, rest: bytes | Exception = b"") -> None:
        self._pieces = [body[i : i + size] for i in range(0, len(body), size)]
        self._rest = rest

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        if isinstance(self._rest, Exception):
            raise self._rest
        yield self._rest

    async def __aiter__(self):  # type: ignore[no-untyped-def]
        for piece in self:
            yield piece


class TestImports:
    def test_a_generator_is_sent_in_pieces_and_lines_are_counted_through(self, ask: Ask) -> None:
        sent: list[bytes] = []

        def answer(request: httpx.Request) -> httpx.Response:
            if len(sent) == 1 and request.content not in sent:
                sent.append(request.content)
                raise httpx.ReadError("cut")
            sent.append(request.content)
            n = request.content.count(b"\n")
            error = {"line": n, "external_id": None, "code": "text_empty", "detail": "Empty."}
            counts = {"n_created": n - 1, "n_updated": 0, "n_known": 0, "n_failed": 1}
            return httpx.Response(200, json={**counts, "n_without_spaces": 1, "errors": [error]})

        texts = ({"external_id": str(i), "text": "t"} for i in range(5))
        done = ask(answer, "import_items", 1, texts, request_bytes=70)
        assert [x.count(b"\n") for x in sent] == [2, 2, 2, 1]  # the second came twice
        assert sent[1] == sent[2]
        assert (done["n_created"], done["n_failed"], done["n_without_spaces"]) == (2, 3, 3)
        assert [error["line"] for error in done["errors"]] == [2, 4, 5]

    def test_nothing_to_import_sends_nothing(self, ask: Ask) -> None:
        answers = Answers(httpx.Response(500))
        done = ask(answers, "import_items", 1, [])
        assert set(done) == set(ImportResult.__required_keys__)
        assert not any(done.values())
        assert not answers.requests

    def test_files_go_in_requests_of_limited_number_and_size(self, ask: Ask) -> None:
        counts: dict[str, Any] = dict.fromkeys(ImportResult.__required_keys__, 0) | {"errors": []}
        answers = Answers(httpx.Response(200, json=counts))
        sizes = [1, 1, 1, 12, 5, 5]
        files = [(f"{i}.png", b"x" * n) for i, n in enumerate(sizes)]
        ask(answers, "upload_images", 1, files, request_files=2, request_bytes=10)
        names = [r.content.count(b"filename=") for r in answers.requests]
        assert names == [2, 1, 1, 2]
