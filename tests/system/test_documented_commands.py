"""The commands of the documentation, run as they stand."""

import csv
import io
import json
import os
import socket
import subprocess
import sys
import textwrap
import threading
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pytest
from sqlalchemy import text

from app.config import Settings
from app.db.session import transaction
from app.db.tables import Role
from app.domain.webhooks import new_secret, shown_secret, signed_headers
from app.services.tokens import create_token
from models.training.train import load_model
from tests.app.conftest import port
from tests.loop import Factory, start_labeling
from tests.receivers import receiving
from tests.support import is_open, wait_for
from workers.service.ports import free_port
from workers.service.stack import Stack

__all__ = ["port"]

DOCS = Path(__file__).parents[2] / "docs"


def block_with(words: str, page: str) -> str:
    """Return the indented block of a page that holds these words."""
    blocks: list[str] = []
    block: list[str] = []
    for line in (DOCS / page).read_text().splitlines():
        if line.startswith("    ") or (block and not line):
            block.append(line)
        elif block:
            blocks.append("\n".join(block))
            block = []
    return textwrap.dedent(next(found for found in blocks if words in found))


@pytest.mark.slow
def test_walk_through_with_curl_ends_with_a_trained_target(service: Stack, tmp_path: Path) -> None:
    script = block_with("TOKEN=svp_...", "quick-start.md")
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
    rows = list(csv.DictReader(io.StringIO((tmp_path / "labels.csv").read_text())))
    assert [row["class"] for row in rows] == ["negative"]
    assert load_model(tmp_path / "target.safetensors").classes == ["negative", "positive"]


@pytest.mark.slow
def test_selections_from_arrays_run(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2500, 6)).astype(np.float32)
    np.save(tmp_path / "x.npy", features)
    np.save(tmp_path / "part-0.npy", features[:900])
    np.save(tmp_path / "part-1.npy", features[900:])
    np.save(tmp_path / "p.npy", rng.dirichlet(np.ones(4), 2500))
    np.save(tmp_path / "l.npy", np.arange(0, 2500, 50))
    script = block_with("svp select k_centers", "how-to/select-from-arrays.md")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "k_centers selected 1,000 of 2,450 items" in done.stdout
    assert "100 drawn uniformly" in done.stdout
    assert "k_centers of 1,000,000 out of 2,500 items needs" in done.stdout
    assert len(np.unique(np.load(tmp_path / "selected.npy"))) == 1000


@pytest.mark.slow
def test_an_experiment_of_ones_own_with_a_strategy_of_ones_own_runs(tmp_path: Path) -> None:
    page = "how-to/your-own-experiment.md"
    for name in ("reviews.toml", "my_package/catalog.py", "my_package/strategies.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(block_with(f"# {name}", page))
    described = tomllib.loads(block_with("# pyproject.toml", page))["project"]
    installed = tmp_path / "my_package-1.dist-info"  # as `pip install` leaves it
    installed.mkdir()
    (installed / "METADATA").write_text(f"Name: {described['name']}\nVersion: 1\n")
    (installed / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
            for group, entries in described["entry-points"].items()
        )
    )
    script = block_with('open("reviews.csv"', page) + "\n" + block_with("svp simulate", page)
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(tmp_path),
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = (tmp_path / "out" / "report" / "report.md").read_text()
    assert "lowest_top_two" in report
    assert "Reviews: 20 to 60 labels" in report


SMTP_ANSWERS = {"data": "354 go on", "quit": "221 bye"}


def take_mail(listener: socket.socket, mails: list[str]) -> None:
    """Take one mail by SMTP."""
    connection, _ = listener.accept()
    with connection, connection.makefile("rw", newline="\r\n", encoding="utf-8") as lines:

        def say(words: str) -> None:
            lines.write(f"{words}\n")
            lines.flush()

        say("220 here")
        for line in lines:
            command = line.split(" ")[0].strip().lower()
            say(SMTP_ANSWERS.get(command, "250 ok"))
            if command == "data":
                mail = ""
                while (part := lines.readline()) not in (".\r\n", ".\n", ""):
                    mail += part
                mails.append(mail)
                say("250 ok")


def test_the_receiver_of_webhooks_tells_slack_teams_and_mail(tmp_path: Path) -> None:
    script = tmp_path / "tell.py"
    script.write_text(block_with("# tell.py", "how-to/webhooks.md"))
    secret, port, mails = new_secret(), free_port(), list[str]()
    body = (
        b'{"type": "round.state_changed", "data": {"project": {"id": 1, "name": "reviews"},'
        b' "facts": {"round": 3, "to": "completed"}}}'
    )
    signed = signed_headers([secret], "msg_1", datetime.now(UTC), body)
    url = f"http://127.0.0.1:{port}/"
    with receiving() as chats, socket.create_server(("127.0.0.1", 0)) as mail_host:
        taking = threading.Thread(target=take_mail, args=(mail_host, mails), daemon=True)
        taking.start()
        process = subprocess.Popen(
            [sys.executable, str(script)],
            env={
                **os.environ,
                "SECRET": shown_secret(secret),
                "PORT": str(port),
                "SLACK_URL": f"http://127.0.0.1:{chats.port}/slack",
                "TEAMS_URL": f"http://127.0.0.1:{chats.port}/teams",
                "MAIL_TO": "team@example.org",
                "MAIL_FROM": "svp@example.org",
                "MAIL_HOST": f"127.0.0.1:{mail_host.getsockname()[1]}",
            },
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_for(lambda: is_open(port), 20)
            chats.answer = lambda _: (500, {})
            assert httpx.post(url, content=body, headers=signed).status_code == 502
            chats.answer = lambda _: (200, {})
            for _ in range(2):  # a double is told once
                assert httpx.post(url, content=body, headers=signed).status_code == 204
            forged = {**signed, "webhook-id": "msg_2"}
            assert httpx.post(url, content=body, headers=forged).status_code == 401
            taking.join(20)
        finally:
            process.kill()
            process.wait()
    assert [got.path for got in chats.received] == ["/slack", "/slack", "/teams"]
    words = "reviews: round 3 is labeled."
    assert json.loads(chats.received[1].body) == {"text": words}
    card = json.loads(chats.received[2].body)["attachments"][0]["content"]
    assert card["body"][0]["text"] == words
    (mail,) = mails
    assert "To: team@example.org" in mail
    assert words in mail


def test_the_tool_of_30_lines_labels_skips_and_takes_back(
    session_factory: Factory, settings: Settings, port: int, tmp_path: Path
) -> None:
    """Run as it stands in the documentation: ada sits at a terminal."""
    page = block_with("# tool.py", "how-to/connect-a-tool.md")
    assert len([line for line in page.splitlines()[1:] if line.strip()]) <= 30
    (tmp_path / "tool.py").write_text(page)
    project = start_labeling(session_factory, settings, "texts", 6, initial_budget=4, reserve=0)
    with transaction(session_factory) as session:
        token, _ = create_token(session, "tool", Role.ANNOTATOR, project_id=project, act_as=True)
    process = subprocess.Popen(
        [sys.executable, "-u", str(tmp_path / "tool.py")],
        env={
            **os.environ,
            "SVP_URL": f"http://127.0.0.1:{port}",
            "PROJECT": str(project),
            "SVP_TOKEN": token,
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write("a\nb\nundo\nskip\na\n")  # label, label, take back, skip, label
    process.stdin.flush()
    try:
        wait_for(lambda: _labels(session_factory) == ["a", "a"], 30)
        with transaction(session_factory) as session:
            skipped = session.scalar(
                text("SELECT count(*) FROM batch_items WHERE skip_reason = 'ambiguous'")
            )
        assert skipped == 1
    finally:
        process.kill()
        said, _ = process.communicate()
    assert said.count("created") == 3
    assert "text texts-0\nclass, skip or undo: " in said


def _labels(factory: Factory) -> list[str]:
    """Return the classes of the labels that stand."""
    with transaction(factory) as session:
        found = session.scalars(
            text("SELECT class_index FROM labels WHERE withdrawn_at IS NULL ORDER BY id")
        )
        return ["ab"[index] for index in found]
