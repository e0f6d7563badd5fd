"""`svp webhook`: what leads do by the API, on the command line."""

import json

import pytest
from typer.testing import CliRunner

from svp_client import Client
from workers.cli.main import app

URL = "https://example.org/events"


@pytest.fixture
def project(admin: Client, database_url: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("SVP_DATABASE_URL", database_url)
    return admin.create_project(
        name="reviews",
        modality="text",
        classes=["a", "b"],
        initial_budget=1,
        round_budget=1,
        total_budget=1,
    )["id"]


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["webhook", *map(str, arguments)])
    return done.exit_code, done.stdout + str(done.exception or "")


def test_a_webhooks_life(admin: Client, project: int) -> None:
    code, secret = run("create", project, URL, "--event", "item.*", "--event", "round.*")
    assert (code, secret.startswith("whsec_")) == (0, True)
    (made,) = admin.webhooks(project)
    webhook = made["id"]
    assert made["events"] == ["item.*", "round.*"]
    assert run("list", project) == (
        0,
        f"{webhook}\tenabled\t0 waiting\t0 dead\titem.*,round.*\t{URL}\n",
    )
    assert run("test", project, webhook)[0] == 0
    (message,) = admin.webhook_deliveries(project, webhook)
    assert run("disable", project, webhook)[0] == 0
    assert json.loads(run("show", project, webhook)[1])["n_dead"] == 1
    listed = run("deliveries", project, webhook, "--state", "dead")[1]
    assert listed.startswith(f"{message['id']}\tdead\t0\twebhook.test\t")
    code, said = run("replay", project, webhook)
    assert (code, "is disabled" in said) == (1, True)
    assert run("enable", project, webhook)[0] == 0
    assert run("replay", project, webhook) == (0, "1 messages wait for a worker.\n")
    assert run("replay", project, webhook, message["id"])[0] == 0
    assert run("delete", project, webhook)[0] == 0
    assert admin.webhooks(project) == []


def test_what_does_not_exist_is_refused(project: int) -> None:
    code, said = run("create", project, URL, "--event", "item.eaten")
    assert (code, "There is no event 'item.eaten'" in said) == (1, True)
    code, said = run("create", project, "http://10.0.0.1/")
    assert (code, "SVP_WEBHOOK_HOSTS" in said) == (1, True)
    for arguments in (("show", 9), ("test", 9), ("deliveries", 9), ("delete", 9)):
        code, said = run(arguments[0], project, arguments[1])
        assert (code, "no webhook 9" in said) == (1, True)
