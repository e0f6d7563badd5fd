"""Projects of Argilla and doccano move over by the commands of the documentation.

The files are real exports (tests/app/imports/exports/README.md).
"""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from svp_client import Client
from tests.system.test_documented_commands import block_with
from tests.workers.cli.test_imports import Run, run

__all__ = ["run"]

EXPORTS = Path(__file__).parents[2] / "app" / "imports" / "exports"
PAGE = "how-to/move-from-argilla-or-doccano.md"


def moved(run: Run, admin: Client, folder: Path, tool: str, name: str) -> tuple[Any, list[Any]]:
    """Run the documented commands for a tool; return its project and the items of both splits."""
    (suffix,) = {Path(name).suffix}
    shutil.copy(EXPORTS / name, folder / f"{tool}{suffix}")
    commands = [
        line.split()[2:]
        for line in block_with(f"svp import reviews {tool}{suffix}", PAGE).splitlines()
        if tool in line
    ]
    assert len(commands) == 2
    dry, real = (run(*command) for command in commands)
    assert (dry.exit_code, real.exit_code) == (0, 0), dry.output + real.output
    assert "40 texts and 0 images" in dry.output
    (project,) = admin.projects()
    items = [x for split in ("pool", "evaluation") for x in admin.items(project["id"], split)]
    return project, items


@pytest.mark.parametrize(
    ("tool", "name", "n_labeled"),
    [
        ("argilla", "argilla.json", 23),
        ("doccano", "doccano-each.zip", 23),
        ("doccano", "doccano-shared.zip", 24),
    ],
)
def test_a_project_moves_over(
    run: Run, admin: Client, tmp_path: Path, tool: str, name: str, n_labeled: int
) -> None:
    project, items = moved(run, admin, tmp_path, tool, name)
    assert project["classes"] == ["bad", "good"]
    assert len(items) == 40
    assert project["n_imported"] + project["n_evaluation"] == n_labeled
    assert project["n_evaluation"] >= 2
    texts = {item["content"]["text"] for item in items}
    assert texts == {f"{('good', 'bad')[i % 2]} review {i}, naïve" for i in range(40)}
    assert all(item["metadata"]["page"] in range(40) for item in items)
    labels = {x["text"]: x["class"] for x in admin.export_labels(project["id"])}
    assert len(labels) == project["n_imported"]
    assert all((text or "").startswith(class_) for text, class_ in labels.items())
    assert "good review 4, naïve" not in labels or name == "doccano-shared.zip"
    assert admin.start(project["id"])["state"] == "running"


def test_the_same_command_again_changes_nothing(run: Run, admin: Client, tmp_path: Path) -> None:
    project, _ = moved(run, admin, tmp_path, "argilla", "argilla.json")
    again = run("reviews", "argilla.json", "--create")
    assert again.exit_code == 0, again.output
    items = Counter(x["external_id"] for x in admin.items(project["id"]))
    assert set(items.values()) == {1}
    assert admin.project(project["id"])["n_imported"] == project["n_imported"]
