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
