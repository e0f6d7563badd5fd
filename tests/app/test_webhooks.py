"""Webhooks: who may be told of what, the secret shown once, and what their events say."""

import ast
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.db.queries import events
from app.db.session import transaction
from app.db.tables import Role
from app.domain.event_kinds import EVENTS, KINDS
from app.services.addresses import is_public
from svp_client import Client, ClientError
from tests.app.conftest import MakeClient, change_settings
from tests.loop import Factory
from tests.loop import events as facts_of

URL = "https://example.org/events?key=1"


def refused(code: str, status: int = 422) -> Any:
    return pytest.raises(ClientError, match=f"{status} {code}")


def types_of(admin: Client, project: int, webhook: int) -> list[str]:
    return [found["type"] for found in admin.webhook_deliveries(project, webhook)][::-1]


def appended_names() -> set[str]:
    """Return the names of events that the code appends, as far as they stand there."""
    names: set[str] = set()
    for path in [*Path("app").rglob("*.py"), *Path("workers").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            is_append = node.func.attr == "append" and len(node.args) > 3
            if is_append and isinstance(node.args[2], ast.Constant):
                names.add(str(node.args[2].value))
    return names


class TestKinds:
    def test_every_event_that_the_service_writes_can_be_wanted(self) -> None:
        found = appended_names()
        assert len(found) > 20
        assert found <= set(EVENTS), "add the event to app/domain/event_kinds.py"

    @pytest.mark.parametrize(
        "kinds", [[], ["item.eaten"], ["round.state_changed:eaten"], ["*.*"], ["*"] * 101]
    )
    def test_others_are_refused(self, admin: Client, text_project: int, kinds: list[str]) -> None:
        with pytest.raises(ClientError) as refusal:
            admin.create_webhook(text_project, URL, kinds)
        assert refusal.value.status == 422

    def test_a_webhook_is_told_of_what_it_wants_alone(
        self, admin: Client, text_project: int, session_factory: Factory
    ) -> None:
        wanted = {
            "all": ["*"],
            "noun": ["round.*"],
            "one": ["item.flagged"],
            "state": ["round.state_changed:completed"],
        }
        made = {
            name: admin.create_webhook(text_project, URL, kinds)["id"]
            for name, kinds in wanted.items()
        }
        other = admin.copy_project(text_project, "other")["id"]
        with transaction(session_factory) as session:
            for name, facts in [
                ("item.flagged", {}),
                ("round.created", {}),
                ("round.state_changed", {"to": "failed"}),
                ("round.state_changed", {"to": "completed"}),
            ]:
                events.append(session, text_project, name, facts)
                events.append(session, other, name, facts)
        told = {name: types_of(admin, text_project, webhook) for name, webhook in made.items()}
        assert told["all"] == ["webhook.created"] * 4 + [
            "item.flagged",
            "round.created",
            "round.state_changed",
            "round.state_changed",
        ]
        assert told["noun"] == ["round.created", "round.state_changed", "round.state_changed"]
        assert told["one"] == ["item.flagged"]
        assert told["state"] == ["round.state_changed"]

    def test_an_event_that_is_rolled_back_leaves_no_message(
        self, admin: Client, text_project: int, session_factory: Factory
    ) -> None:
        webhook = admin.create_webhook(text_project, URL, ["item.flagged"])["id"]
        with session_factory() as session:
            events.append(session, text_project, "item.flagged", {})
            session.rollback()
        assert types_of(admin, text_project, webhook) == []


class TestAddresses:
    @pytest.mark.parametrize(
        "url",
        [
            "ftp://example.org/",
            "example.org",
            "https:///x",
            "https://example.org:70000/",
            "https://exa mple.org/",
            "https://ada:secret@example.org/",
            "https://example.org/#part",
            "https://example.org/" + "x" * 2000,
            "http://example.org/",
            "https://127.0.0.1/",
            "https://localhost:8443/",
            "https://10.1.2.3/",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
        ],
    )
    def test_what_must_not_be_reached_is_refused(
        self, admin: Client, text_project: int, url: str
    ) -> None:
        with refused("webhook_invalid"):
            admin.create_webhook(text_project, url)
        assert admin.webhooks(text_project) == []

    @pytest.mark.parametrize(
        ("listed", "url"),
        [
            ("10.1.2.3", "http://10.1.2.3:8080/"),
            ("receiver:9000", "http://receiver:9000/x"),
            ("localhost", "https://localhost/"),
        ],
    )
    def test_what_the_operator_lists_is_taken(
        self, admin: Client, http: TestClient, text_project: int, listed: str, url: str
    ) -> None:
        change_settings(http, webhook_hosts=(listed,))
        assert admin.create_webhook(text_project, url)["url"] == url

    @pytest.mark.parametrize(
        ("address", "answer"),
        [
            ("93.184.216.34", True),
            ("2606:2800:220:1::1", True),
            ("127.0.0.1", False),
            ("100.64.0.1", False),
            ("0.0.0.0", False),  # noqa: S104
            ("224.0.0.1", False),
            ("fe80::1", False),
            ("fd00::1", False),
            ("::ffff:127.0.0.1", False),
            ("::ffff:93.184.216.34", True),
            ("64:ff9b::7f00:1", False),
            ("64:ff9b::5db8:d822", True),
            ("2002:7f00:1::", False),
        ],
    )
    def test_private_addresses_are_known(self, address: str, answer: bool) -> None:
        assert is_public(address) is answer


class TestLife:
    def test_the_secret_is_shown_once(self, admin: Client, text_project: int) -> None:
        made = admin.create_webhook(text_project, URL, ["item.*"], description="for the team")
        assert made["secret"].startswith("whsec_")
        (listed,) = admin.webhooks(text_project)
        assert "secret" not in listed
        assert listed == admin.webhook(text_project, made["id"])
        assert (listed["url"], listed["events"]) == (URL, ["item.*"])
        assert (listed["description"], listed["is_enabled"]) == ("for the team", True)

    @pytest.mark.parametrize("ends_old", [False, True])
    def test_a_new_secret_is_shown_once(
        self, admin: Client, text_project: int, *, ends_old: bool
    ) -> None:
        made = admin.create_webhook(text_project, URL)
        changed = admin.change_webhook_secret(text_project, made["id"], ends_old=ends_old)
        assert changed["secret"].startswith("whsec_")
        assert changed["secret"] != made["secret"]
        assert (changed["former_until"] is None) is ends_old
        shown = admin.webhook(text_project, made["id"])
        assert "secret" not in shown
        assert shown["former_until"] == changed["former_until"]
        (facts,) = facts_of(admin, text_project, "webhook.secret_changed")
        assert facts == {"webhook": made["id"], "host": "example.org", "ends_old": ends_old}

    def test_a_reader_sees_the_host_alone(
        self, admin: Client, make_client: MakeClient, text_project: int
    ) -> None:
        webhook = admin.create_webhook(text_project, URL)["id"]
        reader = make_client("eve", Role.READER, project_id=text_project)
        lead = make_client("ivy", Role.LEAD, project_id=text_project)
        assert reader.webhook(text_project, webhook)["url"] == "https://example.org/..."
        assert reader.webhooks(text_project)[0]["url"] == "https://example.org/..."
        assert lead.webhooks(text_project)[0]["url"] == URL

    def test_changes(self, admin: Client, text_project: int) -> None:
        webhook = admin.create_webhook(text_project, URL)["id"]
        changed = admin.change_webhook(text_project, webhook, events=["item.*"], description="b")
        assert (changed["events"], changed["description"], changed["url"]) == (
            ["item.*"],
            "b",
            URL,
        )
        with refused("webhook_invalid"):
            admin.change_webhook(text_project, webhook, url="http://10.0.0.1/")
        with refused("webhook_invalid"):
            admin.change_webhook(text_project, webhook, events=["nothing"])

    def test_a_disabled_one_is_told_nothing_and_what_waited_can_be_replayed(
        self, admin: Client, text_project: int, session_factory: Factory
    ) -> None:
        webhook = admin.create_webhook(text_project, URL, ["item.flagged"])["id"]

        def happen() -> None:
            with transaction(session_factory) as session:
                events.append(session, text_project, "item.flagged", {})

        happen()
        changed = admin.change_webhook(text_project, webhook, is_enabled=False)
        assert (changed["is_enabled"], changed["n_dead"], changed["n_pending"]) == (False, 1, 0)
        happen()
        with refused("webhook_disabled", 409):
            admin.replay_dead_deliveries(text_project, webhook)
        with refused("webhook_disabled", 409):
            admin.test_webhook(text_project, webhook)
        assert admin.change_webhook(text_project, webhook, is_enabled=True)["disabled_at"] is None
        (dead,) = admin.webhook_deliveries(text_project, webhook, state="dead")
        assert "a lead has disabled it" in (dead["last_error"] or "")
        assert admin.replay_dead_deliveries(text_project, webhook) == 1
        assert admin.webhook(text_project, webhook)["n_pending"] == 1
        with refused("not_found", 404):
            admin.replay_delivery(text_project, webhook, dead["id"] + 100)

    def test_a_deleted_one_is_gone_with_its_messages(
        self, admin: Client, text_project: int, session_factory: Factory
    ) -> None:
        webhook = admin.create_webhook(text_project, URL)["id"]
        admin.delete_webhook(text_project, webhook)
        for ask in (admin.webhook, admin.delete_webhook, admin.test_webhook):
            with refused("not_found", 404):
                ask(text_project, webhook)
        with transaction(session_factory) as session:
            assert session.scalar(text("SELECT count(*) FROM webhook_deliveries")) == 0
        (deleted,) = facts_of(admin, text_project, "webhook.deleted")
        assert deleted == {"webhook": webhook, "host": "example.org"}

    def test_another_projects_webhook_is_not_found(self, admin: Client, text_project: int) -> None:
        webhook = admin.create_webhook(text_project, URL)["id"]
        other = admin.copy_project(text_project, "other")["id"]
        with refused("not_found", 404):
            admin.webhook(other, webhook)
        with refused("not_found", 404):
            list(admin.webhook_deliveries(other, webhook))

    def test_a_project_has_only_so_many(self, admin: Client, text_project: int) -> None:
        for _ in range(20):
            admin.create_webhook(text_project, URL, ["item.*"])
        with refused("webhook_invalid"):
            admin.create_webhook(text_project, URL)

    def test_messages_are_listed_newest_first_in_pages(
        self, admin: Client, text_project: int
    ) -> None:
        webhook = admin.create_webhook(text_project, URL, ["item.*"])["id"]
        sent = [admin.test_webhook(text_project, webhook)["id"] for _ in range(3)]
        path = f"/projects/{text_project}/webhooks/{webhook}/deliveries?limit=2"
        first = admin.request("GET", path).json()
        assert [d["id"] for d in first["deliveries"]] == sent[:0:-1]
        second = admin.request("GET", f"{path}&cursor={first['next_cursor']}").json()
        assert [d["id"] for d in second["deliveries"]] == sent[:1]
        assert second["deliveries"][0]["type"] == "webhook.test"

    def test_a_deleted_project_takes_them_along(
        self, admin: Client, text_project: int, session_factory: Factory, settings: Any
    ) -> None:
        from app.services.deletions import remove_some  # noqa: PLC0415
        from app.storage.artifacts import ArtifactStore  # noqa: PLC0415

        admin.create_webhook(text_project, URL)
        admin.delete_project(text_project, "texts")
        store = ArtifactStore(settings.artifact_store_url)
        while remove_some(session_factory, store, settings):
            pass
        with transaction(session_factory) as session:
            left = "SELECT (SELECT count(*) FROM webhooks), (SELECT count(*) FROM projects)"
            assert session.execute(text(left)).one() == (0, 0)


def test_kinds_are_named_as_they_are_matched() -> None:
    assert {"*", "round.*", "item.flagged", "job.state_changed:failed"} <= KINDS
