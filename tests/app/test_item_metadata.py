"""Own columns of an import: kept, exported, filtered by; slips of the pen are refused."""

import json

import pytest

from svp_client import Client
from tests.app.conftest import png
from tests.app.items import post, refusal


def sent(admin: Client, project: int, **line: object) -> list[tuple[str, str]]:
    """Import one line; return codes and details of what is refused."""
    body = json.dumps({"external_id": "n", "text": "good", **line}).encode()
    return [(e["code"], e["detail"]) for e in post(admin, project, body)["errors"]]


class TestMetadata:
    def test_own_keys_are_metadata_in_lists_filters_and_exports(
        self, admin: Client, text_project: int
    ) -> None:
        own = {"source": "web", "stars": 5, "tags": ["a", {"b": None}]}
        assert sent(admin, text_project, **own, metadata={"site": 3}, **{"class": "pos"}) == []
        wanted = {**own, "site": 3}
        found = list(admin.items(text_project, metadata={"source": "web", "site": 3}))
        assert [(item["external_id"], item["metadata"]) for item in found] == [("n", wanted)]
        assert list(admin.items(text_project, metadata={"source": "mail"})) == []
        (label,) = admin.export_labels(text_project)
        assert label["metadata"] == wanted
        row = admin.export_labels_csv(text_project).splitlines()[1]
        assert '""source"":""web""' in row

    def test_uploads_bring_them_too(self, admin: Client, images: int) -> None:
        about = {"a.png": {"metadata": {"camera": "x1"}}}
        admin.upload_images(images, [("a.png", png()), ("b.png", png())], about)
        assert [item["metadata"] for item in admin.items(images)] == [{"camera": "x1"}, {}]

    def test_annotators_and_models_do_not_see_them(
        self, admin: Client, running: int, people: list[Client]
    ) -> None:
        sent(admin, running, secret="x")  # noqa: S106 - a key like any other
        batch = people[0].next_batch(running, size=1)
        assert "metadata" not in batch["items"][0]

    @pytest.mark.parametrize(
        ("key", "field"),
        [("label", "class"), ("Class", "class"), ("clas", "class"), ("Split", "split")],
    )
    def test_a_slip_of_the_pen_is_refused_and_names_the_field(
        self, admin: Client, text_project: int, key: str, field: str
    ) -> None:
        ((code, detail),) = sent(admin, text_project, **{key: "pos"})
        assert code == "line_invalid"
        assert f"did you mean {field}?" in detail
        assert "external_id, text, image_uri, split, class" in detail
        assert sent(admin, text_project, metadata={key: "pos"}) == []

    def test_a_column_like_a_field_is_taken_beside_the_field(
        self, admin: Client, text_project: int
    ) -> None:
        assert sent(admin, text_project, **{"class": "pos"}, label=1, id=7, url="x") == []

    def test_what_cannot_be_stored_is_refused(self, admin: Client, text_project: int) -> None:
        for value, code in (
            ("a\0b", "metadata_invalid"),
            (2**70, "metadata_invalid"),
            ("x" * 70_000, "metadata_too_large"),
        ):
            ((found, _),) = sent(admin, text_project, remark=value)
            assert found == code
        assert sent(admin, text_project, **{"re\0mark": 1})[0][0] == "metadata_invalid"

    def test_a_filter_that_is_no_object_is_refused(self, admin: Client, text_project: int) -> None:
        for given in ("[1]", "site", "3"):
            path = f"/projects/{text_project}/items"
            assert refusal(admin, "GET", path, params={"metadata": given})[0] == 422
