"""`svp sign-in-link`: the link that it prints signs an admin in, below the address of the proxy."""

from fastapi.testclient import TestClient
from typer.testing import CliRunner

from workers.cli.main import app

OWN = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}


def printed(database_url: str, *options: str, **more: str) -> str:
    """Return what the command prints."""
    env = {"SVP_DATABASE_URL": database_url, **more}
    done = CliRunner().invoke(app, ["sign-in-link", *options], env=env)
    assert done.exit_code == 0, done.output
    return done.output.strip()


def test_the_link_signs_its_admin_in_once(http: TestClient, database_url: str) -> None:
    link = printed(database_url, "--name", "ada", SVP_PORT="8123")
    address, _, code = link.partition("?code=")
    assert address == "http://127.0.0.1:8123/sign-in"
    statuses = [
        http.post("/sign-in", data={"code": code}, headers=OWN, follow_redirects=False).status_code
        for _ in range(2)
    ]
    assert statuses == [303, 403]
    assert http.get("/api/v1/tokens").status_code == 200


def test_it_leads_through_a_proxy(database_url: str) -> None:
    link = printed(database_url, "--url", "https://label.example/", SVP_ROOT_PATH="/svp")
    assert link.startswith("https://label.example/svp/sign-in?code=")
