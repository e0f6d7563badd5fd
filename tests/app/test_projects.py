"""New projects: settings that contradict each other are refused, and say why."""

from typing import Any

import pytest

from svp_client import Client, ClientError
from tests.app.conftest import png
from tests.app.items import PROJECT, upload


class TestProjects:
    @pytest.mark.parametrize(
        ("change", "word"),
        [
            ({"classes": ["a", " a "]}, "same name"),
            ({"classes": ["a"]}, "two classes"),
            ({"strategy": "best"}, "least_confidence"),
            ({"initial_budget": 5}, "total_budget"),
            ({"proxy": {"model": "fasttext"}}, "preact8"),
            ({"proxy": {"model": "resnet"}}, "known are"),
            ({"target": {"model": "preact8", "recipe": {"epochs": 0}}}, "epochs"),
            ({"target": {"model": "preact8", "recipe": {"weights": "/etc/x.pth"}}}, "plain name"),
            ({"target": {"model": "preact8", "recipe": {"weights": "../x.pth"}}}, "plain name"),
            ({"proxy": {"model": "preact8", "recipe": {"weights": "a\\x.pth"}}}, "plain name"),
            ({"proxy": {"model": "preact8", "recipe": {"epochs": 100_000}}}, "epochs may be"),
            (
                {"target": {"model": "preact8", "recipe": {"image_size": 512, "minibatch": 65536}}},
                "make image_size or minibatch smaller",
            ),
        ],
    )
    def test_contradicting_settings_are_explained(
        self, admin: Client, change: dict[str, Any], word: str
    ) -> None:
        with pytest.raises(ClientError, match=word) as refusal:
            admin.create_project(name="p", **{**PROJECT, **change})
        assert (refusal.value.status, refusal.value.code) == (422, "project_invalid")

    def test_unknown_setting_is_refused(self, admin: Client) -> None:
        with pytest.raises(ClientError) as refusal:
            admin.create_project(name="p", **{**PROJECT, "budget": 3})
        assert refusal.value.code == "request_invalid"

    @pytest.mark.usefixtures("images")
    def test_name_in_use_is_refused(self, admin: Client) -> None:
        with pytest.raises(ClientError) as refusal:
            admin.create_project(name="images", **PROJECT)
        assert (refusal.value.status, refusal.value.code) == (409, "name_taken")

    def test_budget_larger_than_the_pool_is_refused_at_the_start(
        self, admin: Client, images: int
    ) -> None:
        upload(admin, images, a=png())
        with pytest.raises(ClientError, match="only 1 items") as refusal:
            admin.start(images)
        assert refusal.value.code == "project_not_startable"
        assert admin.project(images)["state"] == "draft"

    def test_another_name_can_be_given_in_every_state(self, admin: Client, images: int) -> None:
        other = admin.create_project(name="other", **PROJECT)["id"]
        with pytest.raises(ClientError) as refusal:
            admin.change_project(images, name=" other ")
        assert (refusal.value.status, refusal.value.code) == (409, "name_taken")
        assert admin.change_project(images, name="new")["name"] == "new"
        assert admin.change_project(other, name="images")["name"] == "images", "it is free again"
        changed = [e for e in admin.events(images) if e["name"] == "project.setting_changed"]
        assert [e["facts"] for e in changed] == [
            {"setting": "name", "before": "images", "after": "new"}
        ]

    def test_a_copy_has_the_settings_and_nothing_else(self, admin: Client) -> None:
        given = {
            "reserve": 3,
            "selection": {"control_fraction": 0.2},
            "labels_per_item": 2,
            "audit": {"every_rounds": 2},
        }
        source = admin.create_project(name="p", **{**PROJECT, **given})
        upload(admin, source["id"], a=png())
        copy = admin.copy_project(source["id"], "q")
        own = {"id", "name", "created_at"}
        assert {key: value for key, value in copy.items() if key not in own} == {
            key: value for key, value in source.items() if key not in own
        }
        assert (copy["name"], copy["state"], copy["n_pool"]) == ("q", "draft", 0)
        with pytest.raises(ClientError) as refusal:
            admin.copy_project(source["id"], "p")
        assert refusal.value.code == "name_taken"
