"""`svp project delete`: asks, or is told not to."""

import pytest
from typer.testing import CliRunner

from svp_client import Client
from workers.cli.main import app


@pytest.fixture
def project(admin: Client, database_url: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("SVP_DATABASE_URL", database_url)
    created = admin.create_project(
        name="old reviews",
        modality="text",
        classes=["a", "b"],
        initial_budget=1,
        round_budget=1,
        total_budget=1,
    )
    admin.import_items(created["id"], [{"external_id": "a", "text": "a"}])
    return created["id"]


def delete(*arguments: str, answer: str = "") -> tuple[int, str]:
    done = CliRunner().invoke(app, ["project", "delete", *arguments], input=answer)
    return done.exit_code, done.output + str(done.exception or "")


class TestDelete:
    def test_it_asks_first(self, admin: Client, project: int) -> None:
        code, said = delete("old reviews", answer="n\n")
        assert (code, "with 1 items and 0 labels" in said) == (1, True)
        assert admin.project(project)["name"] == "old reviews"

    def test_told_so_it_does_not_ask(self, admin: Client, project: int) -> None:
        assert delete(" old  reviews", "--yes")[0] == 0
        assert admin.find_project("old reviews") is None
        (deleted,) = admin.deleted_projects()
        assert (deleted["id"], deleted["deleted_by"]) == (project, "command line")

    @pytest.mark.usefixtures("project")
    def test_another_name_is_refused(self) -> None:
        code, said = delete("reviews", "--yes")
        assert (code, "no project reviews" in said) == (1, True)
