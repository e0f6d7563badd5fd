"""Bodies with a Content-Encoding: all members, damage, and what unpacks to too much."""

import gzip
import io
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from backports import zstd

from app.api.bodies import FREE_UNPACKED_BYTES
from app.api.encodings import UNPACKERS, Unpacker
from app.domain.errors import BodyInvalid
from svp_client import Client, ClientError
from tests.app.conftest import MakeClient
from tests.app.items import NDJSON, NESTED, line, post, refusal, routes_with_bodies


class TestEncodings:
    @pytest.fixture
    def packers(self) -> dict[str, Any]:
        return {"gzip": gzip.compress, "x-gzip": gzip.compress, "zstd": zstd.compress}

    @pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "zstd"])
    def test_all_members_are_read(
        self, admin: Client, text_project: int, packers: dict[str, Any], encoding: str
    ) -> None:
        pack = packers[encoding]
        body = pack(line(1)) + pack(line(2)[:9]) + pack(line(2)[9:] + line(3)) + pack(b"")
        counts = post(admin, text_project, body, **{"Content-Encoding": encoding})
        assert (counts["n_created"], counts["n_failed"]) == (3, 0)

    def test_zeros_pad_a_gzip_body(self, admin: Client, text_project: int) -> None:
        body = gzip.compress(line(1)) + bytes(700) + gzip.compress(line(2)) + bytes(5)
        sent = {"Content-Encoding": "gzip"}
        assert post(admin, text_project, body, **sent)["n_created"] == 2

    @pytest.mark.parametrize("encoding", ["gzip", "zstd"])
    @pytest.mark.parametrize("tail", ["garbage", "cut-off member"])
    def test_what_follows_the_last_whole_member_is_an_error_that_counts_the_kept(
        self,
        admin: Client,
        text_project: int,
        packers: dict[str, Any],
        encoding: str,
        tail: str,
    ) -> None:
        pack = packers[encoding]
        more = pack(b"".join(map(line, range(10, 500))))
        body = pack(line(1) + line(2)) + pack(line(3))
        body += b"PLAIN TEXT" if tail == "garbage" else more[: len(more) // 2]
        with pytest.raises(ClientError, match=r"lines before that were kept") as refused:
            post(admin, text_project, body, **{"Content-Encoding": encoding})
        assert (refused.value.status, refused.value.code) == (400, "body_invalid")
        n_kept = admin.project(text_project)["n_pool"] - 40
        assert n_kept >= 3
        assert f"{n_kept} lines before that were kept" in str(refused.value)

    def test_other_encodings_are_refused_on_every_route(
        self, admin: Client, text_project: int
    ) -> None:
        for method, path, kind in routes_with_bodies(text_project):
            for encoding in ("deflate", "br", "gzip, zstd"):
                headers = {"Content-Type": kind, "Content-Encoding": encoding}
                sent = {"content": b"{}", "headers": headers}
                assert refusal(admin, method, path, **sent) == (415, "media_type_unsupported")

    def test_json_features_and_uploads_are_unpacked_too(
        self, admin: Client, text_project: int
    ) -> None:
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        content = gzip.compress(b'{"name": "ada", "all_projects": true}')
        created = admin.request("POST", "/tokens", content=content, headers=headers).json()
        assert created["name"] == "ada"
        file = io.BytesIO()
        np.save(file, np.ones((40, 3), np.float32))
        content = zstd.compress(file.getvalue())
        headers = {"Content-Encoding": "zstd", "Content-Type": "application/octet-stream"}
        path = f"/projects/{text_project}/features"
        assert admin.request("PUT", path, content=content, headers=headers).json()["d"] == 3

    def test_a_packed_json_body_may_not_unpack_over_the_limit(
        self, make_client: MakeClient, text_project: int
    ) -> None:
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        sent = {"content": gzip.compress(NESTED), "headers": headers}
        path = f"/projects/{text_project}/labels"
        assert refusal(make_client("ada"), "POST", path, **sent) == (413, "body_too_large")

    def test_a_bomb_of_blank_lines_is_refused_by_its_expansion(
        self, admin: Client, text_project: int
    ) -> None:
        body = gzip.compress(b"\n" * (FREE_UNPACKED_BYTES * 5))
        assert len(body) < 100_000
        sent = {"content": body, "headers": {**NDJSON, "Content-Encoding": "gzip"}}
        path = f"/projects/{text_project}/items"
        assert refusal(admin, "POST", path, **sent) == (413, "body_too_large")

    @pytest.mark.parametrize("encoding", ["gzip", "zstd"])
    def test_bodies_unpack_whole_however_they_are_cut_up(
        self, packers: dict[str, Any], encoding: str
    ) -> None:
        rng = random.Random(7)
        for _ in range(40):
            parts = [rng.randbytes(rng.randrange(300)) * rng.randrange(60) for _ in range(5)]
            body = b"".join(map(packers[encoding], parts))
            unpacker, found, place = UNPACKERS[encoding](), b"", 0
            while place < len(body):
                step = rng.choice([1, 2, 7, 1000, 40_000])
                unpacker.feed(body[place : place + step])
                place += step
                while unpacked := unpacker.read(rng.choice([1, 5, 4096])):
                    found += unpacked
            unpacker.finish()
            assert found == b"".join(parts)

    def test_a_gzip_body_of_many_members_takes_no_quadratic_time(self) -> None:
        unpacker = UNPACKERS["gzip"]()
        unpacker.feed(gzip.compress(b"a", 1) * 30_000)
        n = 0
        while unpacked := unpacker.read(4096):
            n += len(unpacked)
        assert n == 30_000


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
def test_a_damaged_stream_is_refused(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(bytes(range(256)) * 9)
    unpacker = UNPACKERS[encoding]()
    unpacker.feed(packed[:12] + bytes(len(packed) - 12))
    with pytest.raises(BodyInvalid):
        unpack(unpacker)


def unpack(unpacker: Unpacker) -> bytes:
    """Return all that was fed, unpacked."""
    found = b""
    while unpacked := unpacker.read(4096):
        found += unpacked
    unpacker.finish()
    return found
