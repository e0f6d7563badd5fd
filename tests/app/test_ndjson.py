"""Lines of a body: how they are split, counted and bounded."""

import gzip
import random

import pytest
from fastapi.testclient import TestClient

from app.api.ndjson import LineReader
from app.config import Settings
from app.domain.errors import BodyTooLarge
from svp_client import Client, ClientError
from tests.app.conftest import change_settings
from tests.app.items import line, post


class TestLines:
    def test_lines_are_the_same_however_the_body_comes(self, settings: Settings) -> None:
        limited = settings.model_copy(update={"max_line_bytes": 1024})
        body = (
            b"\xef\xbb\xbfa\n\n \r\n"
            + b"x" * 1025
            + b"\nb\xe2\x80\xa8b\r\n\xef\xbb\xbf\n\xef\xbb\xbfc"
        )
        rng = random.Random(3)
        for step in (1, 3, 500, 10_000):
            reader, chunks, place = LineReader(limited), [], 0
            while place < len(body):
                size = rng.randrange(1, step + 1)
                chunks += reader.feed(body[place : place + size])
                place += size
            chunks += reader.end(b"", is_whole=True)
            lines = [line for chunk in chunks for line in chunk]
            assert [number for number, _ in lines] == [1, 4, 5, 7]
            assert [lines[i][1] for i in (0, 2, 3)] == [b"a", b"b\xe2\x80\xa8b\r", b"c"]
            assert getattr(lines[1][1], "item_code") == "line_too_large"  # noqa: B009

    def test_lines_are_counted_and_bounded(self, settings: Settings) -> None:
        reader = LineReader(settings.model_copy(update={"max_lines": 1000}))
        reader.feed(b"\n" * 1001)
        with pytest.raises(BodyTooLarge, match="SVP_MAX_LINES"):
            reader.feed(b"a\n")

    def test_the_time_of_splitting_is_bounded(self, settings: Settings) -> None:
        reader = LineReader(settings.model_copy(update={"max_parse_seconds": 1e-9}))
        reader.feed(b"a\nb\n")
        with pytest.raises(BodyTooLarge, match="SVP_MAX_PARSE_SECONDS"):
            reader.feed(b"a\n")

    def test_lines_before_a_limit_are_kept_once(
        self, http: TestClient, admin: Client, text_project: int
    ) -> None:
        change_settings(http, max_body_bytes=300_000)
        body = b"".join(map(line, range(20_000)))
        packed = gzip.compress(body)
        with pytest.raises(ClientError, match="lines before that were kept") as refused:
            post(admin, text_project, packed, **{"Content-Encoding": "gzip"})
        assert refused.value.status == 413
        n_kept = admin.project(text_project)["n_pool"] - 40
        assert 3000 < n_kept < 8000
        assert f"{n_kept} lines before that were kept ({n_kept} new, 0 known)" in str(refused.value)

    def test_an_import_of_bad_lines_ends(
        self, http: TestClient, admin: Client, text_project: int
    ) -> None:
        change_settings(http, import_chunk_lines=4, max_refused_lines=5)
        body = line(1) + b"x\n" * 20
        for query, n_kept in (("?strict=true", 0), ("", 1)):
            with pytest.raises(ClientError, match="the first is line 2") as refused:
                post(admin, text_project, body, query)
            assert refused.value.code == "body_invalid"
            assert admin.project(text_project)["n_pool"] == 40 + n_kept

    def test_a_byte_order_mark_is_skipped_at_the_start_of_any_line(
        self, admin: Client, text_project: int
    ) -> None:
        body = b"\xef\xbb\xbf" + line(1) + line(2) + b"\xef\xbb\xbf" + line(3)
        assert post(admin, text_project, body)["n_created"] == 3

    def test_a_slip_of_a_key_is_named_with_those_that_exist(
        self, admin: Client, text_project: int
    ) -> None:
        counts = post(admin, text_project, line(1, label="neg") + line(2, colour="red"))
        assert (counts["n_created"], counts["n_failed"]) == (1, 1), "own keys are metadata"
        assert "'label'" in counts["errors"][0]["detail"]
        assert "image_uri" in counts["errors"][0]["detail"]

    def test_a_project_number_that_no_column_holds_is_not_found(self, admin: Client) -> None:
        with pytest.raises(ClientError) as refusal:
            post(admin, 10**30, line(1))
        assert refusal.value.status == 422
