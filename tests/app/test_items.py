"""Imports of texts: faults by line, order, known items, imported classes."""

import gzip
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app.db.tables import Project
from app.services import prepared_items
from svp_client import Client, ClientError
from tests.app.conftest import change_settings
from tests.app.items import post_lines


class TestTexts:
    def test_faulty_lines_have_numbers_and_do_not_stop_the_rest(
        self, admin: Client, text_project: int
    ) -> None:
        lines = [
            b'{"external_id": "n-1", "text": "good"}',
            b'{"external_id": "n-2", "text": " "}',
            b'{"external_id": "n-3", "text": "broken',
            b'{"external_id": "n-4", "text": "\xff\xfe"}',
            b'{"external_id": "n-5", "text": "x", "class": "nope"}',
            b'{"external_id": "n-6", "text": "x", "split": "evaluation"}',
            b'{"external_id": "n-1", "text": "other"}',
            b'{"external_id": "n-1", "text": "good"}',
            b'{"external_id": "n-9", "text": "' + b"x" * 10_000_000 + b'"}',
            b'{"external_id": "n-10", "text": "' + b"x" * 2_000_000 + b'"}',
            b'{"external_id": "n-11", "image_uri": "a.png"}',
            b'{"text": "nameless"}',
            b'{"external_id": "n-13", "text": "last"}',
        ]
        result = post_lines(admin, text_project, b"\n".join(lines))
        assert (result["n_created"], result["n_known"]) == (2, 1)
        assert {e["line"]: e["code"] for e in result["errors"]} == {
            2: "text_empty",
            3: "line_invalid",
            4: "line_not_utf8",
            5: "unknown_class",
            6: "evaluation_without_class",
            7: "external_id_conflict",
            9: "line_too_large",
            10: "text_too_large",
            11: "modality_mismatch",
            12: "line_invalid",
        }
        assert admin.project(text_project)["n_pool"] == 42

    def test_importing_again_changes_nothing_and_counts_the_known(
        self, admin: Client, text_project: int
    ) -> None:
        line = b'{"external_id": "t-0", "text": "text 0"}\n'
        result = post_lines(admin, text_project, line)
        counts = {
            "n_created": 0,
            "n_updated": 0,
            "n_known": 1,
            "n_failed": 0,
            "n_without_spaces": 0,
            "n_labels": 0,
        }
        assert result == {**counts, "errors": []}

    def test_texts_in_scripts_without_spaces_are_counted(
        self, admin: Client, text_project: int
    ) -> None:
        texts = ["我喜欢这本书", "ฉันรัก", "한국어 문장", "été", "漢字 and words"]
        lines = [{"external_id": f"s-{k}", "text": one} for k, one in enumerate(texts)]
        assert admin.import_items(text_project, lines)["n_without_spaces"] == 3
        assert admin.import_items(text_project, lines)["n_without_spaces"] == 0  # all known

    def test_known_items_among_new_ones_leave_no_gap(
        self, admin: Client, text_project: int
    ) -> None:
        lines = [
            {"external_id": "new-1", "text": "one"},
            {"external_id": "t-3", "text": "text 3"},
            {"external_id": "t-4", "text": "something else"},
            {"external_id": "new-2", "text": "two"},
            {"external_id": "new-2", "text": "two"},
        ]
        counts = admin.import_items(text_project, lines)
        assert (counts["n_created"], counts["n_known"], counts["n_failed"]) == (2, 2, 1)
        assert [(e["line"], e["code"]) for e in counts["errors"]] == [(3, "external_id_conflict")]
        page = admin.request("GET", f"/projects/{text_project}/items?cursor=39").json()["items"]
        assert [(i["external_id"], i["index"]) for i in page] == [("new-1", 40), ("new-2", 41)]

    @pytest.mark.parametrize(
        ("limit", "n"),
        [("import_chunk_lines", 2), ("import_chunk_bytes", 60)],
        ids=["lines", "bytes"],
    )
    def test_chunks_keep_the_order_of_the_lines(
        self,
        http: TestClient,
        admin: Client,
        text_project: int,
        monkeypatch: pytest.MonkeyPatch,
        limit: str,
        n: int,
    ) -> None:
        change_settings(http, **{limit: n})
        sizes = []
        prepare = prepared_items.prepare_items

        def watched(project: Project, *given: Any) -> list[prepared_items.Prepared]:
            prepared = prepare(project, *given)
            sizes.append(len(prepared))
            return prepared

        monkeypatch.setattr("app.api.imports.prepare_items", watched)
        lines = [{"external_id": f"n-{i}", "text": f"text {i}"} for i in range(7)]
        lines[3] = lines[0]  # known from an earlier chunk
        lines[5] = {"external_id": "n-1", "text": "another"}
        counts = admin.import_items(text_project, lines)
        assert (counts["n_created"], counts["n_known"], counts["n_failed"]) == (5, 1, 1)
        assert [(e["line"], e["code"]) for e in counts["errors"]] == [(6, "external_id_conflict")]
        page = admin.request("GET", f"/projects/{text_project}/items?cursor=39").json()["items"]
        assert [i["external_id"] for i in page] == ["n-0", "n-1", "n-2", "n-4", "n-6"]
        assert sizes == [2, 2, 2, 1]

    def test_a_chunk_that_cannot_be_stored_ends_the_import(
        self, http: TestClient, admin: Client, text_project: int, engine: Engine
    ) -> None:
        change_settings(http, import_chunk_lines=2)
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE items ADD CONSTRAINT no CHECK (text <> 'line 2')"))
        lines = [{"external_id": f"n-{i}", "text": f"line {i}"} for i in range(8)]
        lines.insert(0, {"external_id": "", "text": "refused"})
        with pytest.raises(ClientError) as refusal:
            admin.import_items(text_project, lines)
        assert (refusal.value.status, refusal.value.code) == (500, "internal_error")
        page = admin.request("GET", f"/projects/{text_project}/items?cursor=39").json()["items"]
        assert [i["external_id"] for i in page] == ["n-0"]

    def test_the_first_thousand_faults_are_those_of_the_first_lines(
        self, admin: Client, text_project: int
    ) -> None:
        empty, unread = b'{"external_id": "e", "text": ""}', b"no JSON"
        lines = [empty if i % 2 else unread for i in range(1, 1402)]
        counts = post_lines(admin, text_project, b"\n".join(lines))
        assert counts["n_failed"] == 1401
        assert [e["line"] for e in counts["errors"]] == list(range(1, 1001))

    def test_gzip_is_taken_and_a_cut_off_stream_says_so(
        self, admin: Client, text_project: int
    ) -> None:
        body = gzip.compress(b'{"external_id": "z", "text": "packed"}\n')
        sent = {"Content-Encoding": "gzip"}
        assert post_lines(admin, text_project, body, **sent)["n_created"] == 1
        for damaged in (body[:-5], b"no gzip"):
            with pytest.raises(ClientError) as refusal:
                post_lines(admin, text_project, damaged, **sent)
            assert (refusal.value.status, refusal.value.code) == (400, "body_invalid")

    def test_imported_classes_count_as_labeled_outside_the_budget(
        self, admin: Client, text_project: int
    ) -> None:
        post_lines(admin, text_project, b'{"external_id": "l", "text": "x", "class": "pos"}')
        project = admin.project(text_project)
        assert (project["n_imported"], project["n_labeled"]) == (1, 0)
        (label,) = admin.export_labels(text_project)
        assert (label["source"], label["class"]) == ("import", "pos")
