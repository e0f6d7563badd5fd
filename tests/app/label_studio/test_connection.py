"""A lead's connection over the API: allowed hosts alone, its state, and its end."""

import socket
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.db.tables import Role
from app.services.label_studio_sync import sync
from svp_client import Client, ClientError
from tests.app.conftest import MakeClient, change_settings
from tests.app.label_studio.conftest import MakeBridge
from tests.label_studio.bridge import Bridge
from tests.label_studio.fake import BOB, LEGACY, Fake

HOST = "label_studio_host_refused"


def refused(code: str) -> Any:
    return pytest.raises(ClientError, match=f"409 {code}")


@pytest.fixture
def unconnected(make_bridge: MakeBridge) -> Bridge:
    """A running project without a connection."""
    return make_bridge(connected=False)


@pytest.fixture
def lead(make_client: MakeClient, unconnected: Bridge) -> Client:
    return make_client("ivy", Role.LEAD, project_id=unconnected.project)


@pytest.fixture
def allowed(http: TestClient, unconnected: Bridge, fake: Fake) -> Bridge:
    """The same, where the operator lists the fake's host for leads."""
    hosts = (fake.url.removeprefix("http://"),)
    change_settings(http, label_studio_hosts=hosts)
    unconnected.settings = unconnected.settings.model_copy(update={"label_studio_hosts": hosts})
    return unconnected


class TestHosts:
    @pytest.mark.parametrize(
        "url",
        [
            "http://example.org",
            "https://127.0.0.1:8080",
            "https://localhost",
            "https://10.1.2.3",
            "https://169.254.169.254/latest",
            "https://[::1]",
            "https://[::ffff:10.0.0.1]",
            f"https://{socket.gethostname()}:1",  # a name whose address is private
        ],
    )
    def test_private_ones_and_http_are_refused(
        self, lead: Client, unconnected: Bridge, url: str
    ) -> None:
        with refused(HOST) as refusal:
            lead.connect_label_studio(unconnected.project, url, LEGACY)
        assert "SVP_LABEL_STUDIO_HOSTS" in refusal.value.detail
        assert unconnected.connection is None

    @pytest.mark.parametrize("url", ["https://ada:secret@example.org", "https://x/#y", "https:///"])
    def test_what_is_no_base_url_is_refused(
        self, lead: Client, unconnected: Bridge, url: str
    ) -> None:
        with refused("label_studio_refused"):
            lead.connect_label_studio(unconnected.project, url, LEGACY)

    def test_a_listed_one_is_connected_and_exchanges(
        self, lead: Client, allowed: Bridge, fake: Fake
    ) -> None:
        made = lead.connect_label_studio(allowed.project, fake.url, LEGACY)
        assert (made["is_new"], made["project_there"], made["title"]) == (True, 1, "p--")
        assert made["webhook_fault"] == "no --public-url was given"
        sync(allowed.factory, allowed.connection.id, allowed.settings)
        assert allowed.shown() == [0, 1]

    def test_one_that_is_listed_no_more_is_not_reached(
        self, lead: Client, allowed: Bridge, fake: Fake, admin: Client
    ) -> None:
        lead.connect_label_studio(allowed.project, fake.url, LEGACY)
        n = len(fake.requests)
        unlisted = allowed.settings.model_copy(update={"label_studio_hosts": ()})
        for _ in range(3):
            with pytest.raises(Exception, match="SVP_LABEL_STUDIO_HOSTS"):
                sync(allowed.factory, allowed.connection.id, unlisted)
        assert len(fake.requests) == n
        state = admin.label_studio(allowed.project)
        assert (state["error_code"], state["n_failures"]) == (HOST, 3)
        (problem,) = [
            found
            for found in admin.overview(allowed.project)["problems"]
            if found["code"] == "label_studio_failing"
        ]
        assert "SVP_LABEL_STUDIO_HOSTS" in problem["detail"]

    def test_a_redirect_to_elsewhere_is_not_followed(
        self, lead: Client, allowed: Bridge, fake: Fake
    ) -> None:
        fake.fail(1, 302, "/api/current-user/whoami")
        with refused("label_studio_refused"):
            lead.connect_label_studio(allowed.project, fake.url, LEGACY)

    def test_the_operators_connection_becomes_a_leads_once_a_lead_changes_it(
        self, lead: Client, allowed: Bridge, fake: Fake
    ) -> None:
        allowed.connect()
        assert allowed.connection.is_guarded is False
        lead.connect_label_studio(allowed.project, fake.url, LEGACY)
        assert allowed.connection.is_guarded is True


class TestState:
    def test_it_is_shown_without_the_token(
        self, lead: Client, allowed: Bridge, fake: Fake, http: TestClient
    ) -> None:
        made = lead.connect_label_studio(
            allowed.project, fake.url, LEGACY, public_url=str(http.base_url), round_end="keep"
        )
        allowed.sync()
        fake.annotate(allowed.task(0), "neither")
        allowed.sync()
        fake.delete_task(allowed.task(1))
        allowed.sync()
        state = lead.label_studio(allowed.project)
        assert state["url"] == fake.url
        assert (state["round_end"], state["has_webhook"]) == ("keep", True)
        assert (state["n_tasks"], state["n_tasks_gone"]) == (1, 1)
        assert (state["n_waiting"], state["waiting"]) == (1, {"unknown_class": 1})
        assert state["synced_at"] is not None
        assert (state["error"], state["n_failures"]) == (None, 0)
        said = lead.request("GET", f"/projects/{allowed.project}/label-studio").text
        said += str(list(lead.events(allowed.project))) + str(made)
        assert LEGACY not in said
        assert [
            event["facts"]
            for event in lead.events(allowed.project)
            if event["name"] == "label_studio.connected"
        ] == [{"url": fake.url, "project_there": 1}]

    def test_without_a_connection_it_says_how_to_make_one(
        self, lead: Client, unconnected: Bridge
    ) -> None:
        for ask in (lead.label_studio, lead.sync_label_studio, lead.disconnect_label_studio):
            with refused("label_studio_not_connected"):
                ask(unconnected.project)

    def test_a_silent_exchange_is_a_problem_of_the_overview(
        self, admin: Client, allowed: Bridge
    ) -> None:
        allowed.connect()
        allowed.sync()
        assert "label_studio_failing" not in codes(admin, allowed.project)
        allowed.run("UPDATE label_studio_connections SET begun_at = now() - interval '16 min'")
        assert "label_studio_failing" in codes(admin, allowed.project)

    @pytest.mark.parametrize("body", [{}, {"url": "https://x"}, {"url": "https://x", "token": ""}])
    def test_the_token_is_needed_each_time(
        self, lead: Client, unconnected: Bridge, body: dict[str, str]
    ) -> None:
        with pytest.raises(ClientError) as refusal:
            lead.request("PUT", f"/projects/{unconnected.project}/label-studio", json=body)
        assert refusal.value.status == 422


class TestSync:
    def test_it_begins_at_once_however_often_it_failed(self, lead: Client, allowed: Bridge) -> None:
        from app.db.queries import label_studio as queries  # noqa: PLC0415
        from app.db.session import transaction  # noqa: PLC0415

        allowed.connect()
        allowed.run("UPDATE label_studio_connections SET begun_at = now(), n_failures = 9")
        with transaction(allowed.factory) as session:
            assert queries.due(session, 15, 300) == []
        lead.sync_label_studio(allowed.project)
        with transaction(allowed.factory) as session:
            assert queries.due(session, 15, 300) == [allowed.connection.id]

    def test_again_pushes_what_was_deleted_there(
        self, lead: Client, allowed: Bridge, fake: Fake
    ) -> None:
        allowed.connect()
        allowed.sync()
        fake.delete_task(allowed.task(0))
        allowed.sync()
        lead.sync_label_studio(allowed.project)
        allowed.sync()
        assert 0 not in allowed.shown()
        lead.sync_label_studio(allowed.project, again=True)
        allowed.sync()
        assert 0 in allowed.shown()


def test_disconnecting_frees_items_and_deletes_the_webhook(
    lead: Client, allowed: Bridge, fake: Fake
) -> None:
    lead.connect_label_studio(allowed.project, fake.url, LEGACY, public_url="http://127.0.0.1:9")
    allowed.sync()
    fake.annotate(allowed.task(0), "a", BOB)
    allowed.sync()
    assert len(fake.webhooks) == 1
    lead.disconnect_label_studio(allowed.project)
    assert (allowed.labels(), allowed.held()) == ({0: {"bob": "a"}}, {})
    assert fake.webhooks == {}
    with refused("label_studio_not_connected"):
        lead.label_studio(allowed.project)


def codes(client: Client, project: int) -> set[str]:
    return {found["code"] for found in client.overview(project)["problems"]}
