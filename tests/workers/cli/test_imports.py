"""`svp import`: what a new user does, from a dry run to a second run of the same command."""

import csv
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.imports.files import Files
from svp_client import Client
from tests.app.conftest import bearer, change_settings
from tests.app.imports.written import in_folder, png
from tests.app.serving_files import FileHost
from workers.cli import imports, sending
from workers.cli.main import app

Run = Callable[..., Any]
EXPORTS = Path(__file__).parents[2] / "app" / "imports" / "exports"
PEOPLE = {"1": "ada", "3": "bob", "4": "eve"}  # of the exports


@pytest.fixture
def run(admin: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run(*arguments) -> what the command says, over the connection of `admin`."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(imports, "connected", lambda *_: admin)
    return lambda *arguments: CliRunner().invoke(app, ["import", *map(str, arguments)])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = ["text,label,source"]
    rows += [f"this is number {i},{('bad', 'good')[i % 2]},web" for i in range(40)]
    rows += [f"nobody knows {i},," for i in range(60)]
    (tmp_path / "reviews.csv").write_text("\n".join(rows))
    return tmp_path / "reviews.csv"


class TestTexts:
    def test_a_dry_run_says_what_there_is_and_sends_nothing(
        self, run: Run, table: Path, admin: Client
    ) -> None:
        done = run("reviews", table, "--dry-run")
        assert done.exit_code == 0, done.output
        assert "100 texts and 0 images" in done.output
        assert "bad 20, good 20" in done.output
        assert list(admin.projects()) == []

    def test_create_makes_the_project_with_a_share_for_evaluation(
        self, run: Run, table: Path, admin: Client
    ) -> None:
        done = run("reviews", table, "--create")
        assert done.exit_code == 0, done.output
        (project,) = admin.projects()
        assert (project["name"], project["classes"]) == ("reviews", ["bad", "good"])
        assert (project["n_pool"], project["n_imported"], project["n_evaluation"]) == (96, 36, 4)
        classes = [item["class"] for item in admin.items(project["id"], "evaluation")]
        assert sorted(map(str, classes)) == ["bad", "bad", "good", "good"]
        first = next(admin.items(project["id"]))
        assert first["metadata"] == {"source": "web"}
        admin.start(project["id"])

    def test_labels_of_several_annotators_come_by_annotator(
        self, run: Run, admin: Client, tmp_path: Path
    ) -> None:
        shutil.copy(EXPORTS / "label-studio.json", tmp_path / "ls.json")
        names = [f"--annotator={number}={name}" for number, name in PEOPLE.items()]
        dry = run("reviews", "ls.json", "--dry-run", *names)
        assert "annotators: ada 20, bob 16, eve 7" in dry.output
        assert "1 skipped or rejected answers stay out" in dry.output
        done = run("reviews", "ls.json", "--create", "--evaluation-share", 0, *names)
        assert done.exit_code == 0, done.output
        assert "30 new, 0 updated, 0 known, 0 refused" in done.output
        assert "43 labels by annotators were stored" in done.output
        assert "1 skipped or rejected answers stay out" in done.output
        (project,) = admin.projects()
        work = {each["name"]: each["n_labels"] for each in admin.annotators(project["id"])}
        assert work == {"ada": 20, "bob": 16, "eve": 7}
        rows = list(admin.export_labels(project["id"]))
        assert len(rows) == 20  # three people answered where two disagree
        assert {len(row["labels"]) for row in rows} == {1, 2, 3}
        again = run("reviews", "ls.json", "--again", *names)
        assert "0 new, 0 updated, 30 known, 0 refused" in again.output

    def test_our_own_export_comes_back_with_its_annotators(
        self, run: Run, admin: Client, tmp_path: Path
    ) -> None:
        shutil.copy(EXPORTS / "label-studio.json", tmp_path / "ls.json")
        run("one", "ls.json", "--create", "--evaluation-share", 0)
        (one,) = admin.projects()
        rows = {row["text"]: row for row in admin.export_labels(one["id"])}
        (tmp_path / "one.jsonl").write_text("\n".join(json.dumps(row) for row in rows.values()))
        query = {"format": "csv", "annotators": True}
        table = admin.request("GET", f"/projects/{one['id']}/labels", params=query).text
        (tmp_path / "one.csv").write_text(table)
        for name in ("one.jsonl", "one.csv"):
            done = run(name, name, "--create", "--evaluation-share", 0)
            assert "43 labels by annotators were stored" in done.output
            other = admin.find_project(name)
            assert other is not None
            for row in admin.export_labels(other["id"]):
                before = rows[row["text"]]
                assert row["class"] == before["class"]
                assert row["labels"] == before["labels"]

    def test_a_second_run_sends_nothing(
        self, run: Run, table: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run("reviews", table, "--create")

        def refuse(*_: object) -> None:
            raise AssertionError("something was sent")

        with monkeypatch.context() as patch:
            patch.setattr(Client, "import_items", refuse)
            done = run("reviews", table, "--create")
        assert done.exit_code == 0, done.output
        assert "nothing is left" in done.output
        again = run("reviews", table, "--create", "--again")
        assert "0 new, 0 updated, 100 known" in again.output

    def test_an_interrupted_import_resumes_behind_the_last_piece(
        self, run: Run, table: Path, admin: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sending, "PIECE_ITEMS", 30)
        save, n_saved = sending.Journal.save, itertools.count(1)

        def save_twice(journal: sending.Journal) -> None:
            save(journal)
            if next(n_saved) == 2:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(sending.Journal, "save", save_twice)
            assert run("reviews", table, "--create").exit_code != 0
        (project,) = admin.projects()
        assert project["n_pool"] + project["n_evaluation"] == 60
        done = run("reviews", table, "--create")
        assert "60 were sent before; resuming" in done.output
        assert "100 new, 0 updated, 0 known" in done.output

    def test_what_is_refused_stands_in_a_file(self, run: Run, tmp_path: Path) -> None:
        rows = 'text,label\nfine,good\n"a,b",good,odd\nlong ago,what\nbad one,bad\n'
        (tmp_path / "x.csv").write_text(rows)
        run("p", tmp_path / "x.csv", "--create", "--classes", "good,bad")
        done = run("p", tmp_path / "x.csv", "--again")
        assert done.exit_code == 1
        with (tmp_path / "import-errors.csv").open() as file:
            errors = [(row["line"], row["code"]) for row in csv.DictReader(file)]
        assert sorted(errors) == [("3", "not_read"), ("4", "unknown_class")]
        assert "2 were refused" in str(done.exception)

    def test_errors_say_what_to_do(self, run: Run, table: Path, tmp_path: Path) -> None:
        (tmp_path / "one.csv").write_text("text\na\n")
        for arguments, words in (
            (("nothere", table), "--create"),
            (("p", tmp_path / "one.csv", "--create"), "--classes a,b,c"),
            (("p", table, "--map", "label"), "COLUMN=FIELD"),
            (("p", table, "--split", "train"), "pool or evaluation"),
            (("p", tmp_path / "none.csv"), "no file or folder"),
        ):
            assert words in str(run(*arguments).exception), arguments


class TestImages:
    def test_a_folder_of_images_with_a_table_of_labels(
        self, run: Run, tmp_path: Path, admin: Client
    ) -> None:
        in_folder(tmp_path / "pets", {f"{i}.png": png("red") for i in range(8)})
        rows = [f"{i},{('cat', 'dog')[i % 2]}" for i in range(4)]
        (tmp_path / "labels.csv").write_text("\n".join(["filename,species", *rows]))
        done = run(
            "pets", tmp_path / "pets", "--labels", tmp_path / "labels.csv",
            "--map", "species=class", "--create", "--evaluation-share", "0.5",
        )  # fmt: skip
        assert done.exit_code == 0, done.output
        (project,) = admin.projects()
        assert project["modality"] == "image"
        assert (project["n_pool"], project["n_imported"], project["n_evaluation"]) == (6, 2, 2)
        assert "0.png" in {item["external_id"] for item in admin.items(project["id"])} | {
            item["external_id"] for item in admin.items(project["id"], "evaluation")
        }

    def test_images_behind_addresses_are_copied_on_request(
        self, run: Run, tmp_path: Path, admin: Client, http: TestClient
    ) -> None:
        """With `--copy` the host may go; without it an image is read from there each time."""
        images = {"/a.png": png("red"), "/b.png": png("blue")}
        with FileHost(images, {}) as host:
            change_settings(http, image_hosts=(host.name,))
            addresses = [f"{host.url}{path}" for path in (*images, "/gone.png")]
            rows = [f"{i},{url},{'xy'[i % 2]}" for i, url in enumerate(addresses)]
            (tmp_path / "x.csv").write_text("\n".join(["id,image_url,label", *rows]))
            for name, more in (("kept", ["--copy"]), ("there", [])):
                done = run(name, "x.csv", "--create", "--evaluation-share", "0", *more)
                assert "2 new, 0 updated, 0 known, 1 refused" in done.output
                assert "image_not_found" in (tmp_path / "import-errors.csv").read_text()
        found = {}
        for project in admin.projects():
            item = next(admin.items(project["id"]))
            path = f"/api/v1/projects/{project['id']}/items/{item['item_id']}/image"
            found[project["name"]] = http.get(path, headers=bearer(admin))
        assert found["kept"].content == png("red")
        assert found["there"].status_code >= 400

    def test_an_unreadable_image_is_refused_alone(
        self, run: Run, tmp_path: Path, admin: Client
    ) -> None:
        files = {"a/1.png": png("red"), "b/2.png": png("blue"), "b/3.png": b"none"}
        done = run("p", in_folder(tmp_path / "x", files), "--create", "--evaluation-share", "0")
        assert done.exit_code == 1
        (project,) = admin.projects()
        assert project["n_imported"] == 2
        assert "image_not_decodable" in (tmp_path / "import-errors.csv").read_text()


def test_a_changed_source_is_another_import(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("text\na\n")
    first = sending.digest_of(tmp_path / "x.csv", Files([]))
    (tmp_path / "x.csv").write_text("text\nb\n")
    assert sending.digest_of(tmp_path / "x.csv", Files([])) != first


def test_a_journal_that_is_damaged_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    journal = sending.Journal.open("x")
    journal.progress.n_done = 7
    journal.save()
    assert sending.Journal.open("x").progress.n_done == 7
    journal.path.write_text(json.dumps({"n_done": 1, "other": 2}))
    assert sending.Journal.open("x").progress.n_done == 0


def test_a_service_is_reached_by_url_and_token(
    port: int, admin: Client, table: Path, tmp_path: Path
) -> None:
    more = {"SVP_URL": f"http://127.0.0.1:{port}", "XDG_STATE_HOME": str(tmp_path)}
    arguments = ["import", "p", str(table), "--create"]
    done = CliRunner().invoke(app, arguments, env=more)
    assert "svp token create" in str(done.exception)
    done = CliRunner().invoke(app, arguments, env={**more, "SVP_TOKEN": admin.token})
    assert done.exit_code == 0, done.output
    assert [project["name"] for project in admin.projects()] == ["p"]
