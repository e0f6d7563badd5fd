"""The README's commands, run as they stand."""

import csv
import subprocess
import textwrap
from pathlib import Path

import pytest

from models.train import load_model
from workers.stack import Stack

README = Path(__file__).parents[2] / "README.md"


def block_with(text: str) -> str:
    """Return the indented block of the README that holds this text."""
    blocks: list[str] = []
    block: list[str] = []
    for line in README.read_text().splitlines():
        if line.startswith("    ") or (block and not line):
            block.append(line)
        elif block:
            blocks.append("\n".join(block))
            block = []
    return textwrap.dedent(next(found for found in blocks if text in found))


@pytest.mark.slow
def test_walk_through_with_curl_ends_with_a_trained_target(service: Stack, tmp_path: Path) -> None:
    script = block_with("TOKEN=svp_...")
    script = script.replace("TOKEN=svp_...", f"TOKEN={service.create_admin_token()}", 1)
    script = script.replace("http://127.0.0.1:8000", service.url)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"status":"withdrawn"' in done.stdout
    assert '"status":"skipped"' in done.stdout
    assert '"n_created":402' in done.stdout
    rows = list(csv.DictReader((tmp_path / "labels.csv").read_text().splitlines()))
    assert [row["class"] for row in rows] == ["negative"]
    assert load_model(tmp_path / "target.safetensors").classes == ["negative", "positive"]
