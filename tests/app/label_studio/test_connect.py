"""Connecting a project: the labeling config, the token, the webhook, and clear refusals."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.session import transaction
from app.domain.errors import (
    DomainError,
    LabelStudioAway,
    LabelStudioClassesDiffer,
    LabelStudioNotConnected,
    LabelStudioProjectGone,
    LabelStudioRefused,
)
from app.services.class_changes import ClassChange, ClassChangeKind, change_classes
from app.services.label_studio import ConnectionIn, disconnect
from app.services.label_studio_state import webhook_path
from svp_client import Client
from tests.app.conftest import png
from tests.app.label_studio.conftest import MakeBridge
from tests.label_studio.bridge import Bridge, open_at_once
from tests.label_studio.fake import BOB, LEGACY, PERSONAL, Fake
from tests.loop import publish_in_order

CHOICES = (
    '<View><Header value="x"/><Text name="t" value="$body"/>'
    '<Choices name="c" toName="t"{more}>{choices}</Choices></View>'
)


def config(*choices: str, more: str = "") -> str:
    return CHOICES.format(more=more, choices="".join(f"<Choice {c}/>" for c in choices))


class TestNewProject:
    def test_its_config_offers_the_classes_with_hotkeys_and_hints(
        self, make_bridge: MakeBridge, fake: Fake
    ) -> None:
        bridge = make_bridge(connected=False)
        hints = '{"hints": {"0": "good & <well>"}}'
        bridge.run("UPDATE projects SET class_settings = CAST(:h AS jsonb)", h=hints)
        bridge.connect()
        project = fake.projects[1]
        assert project["title"] == "p--"
        assert project["sampling"] == "Sequential sampling"
        written = project["label_config"]
        assert '<Text name="text" value="$text" />' in written
        assert 'choice="single"' in written
        assert '<Choice value="a" hotkey="a" hint="good &amp; &lt;well&gt;" />' in written
        assert '<Choice value="b" hotkey="b" />' in written

    def test_connecting_again_makes_no_second_one(self, bridge: Bridge, fake: Fake) -> None:
        first = bridge.connection.id
        assert bridge.connect(token=PERSONAL) == first
        assert len(fake.projects) == 1

    def test_one_made_by_a_connect_that_died_is_taken_on(
        self, make_bridge: MakeBridge, fake: Fake
    ) -> None:
        bridge = make_bridge(connected=False)
        asked: list[str] = []

        def lose_the_answer(method: str, path: str) -> str | None:
            asked.append(method)
            return "after" if (method, path) == ("POST", "/api/projects/") else None

        fake.faults.append(lose_the_answer)
        with pytest.raises(LabelStudioAway):
            bridge.connect()
        assert len(fake.projects) == asked.count("POST") == 1
        fake.faults.clear()
        bridge.connect()
        bridge.connect()
        assert len(fake.projects) == 1


class TestKnownProject:
    @pytest.mark.parametrize(
        "choices",
        [
            ('value="a"', 'value="b"'),
            ('value="b"', 'value=" a "'),
            ('value="Sehr gut" alias="a"', 'value="b" alias="B2"'),
        ],
    )
    def test_its_config_is_used_with_its_own_names_and_aliases(
        self, make_bridge: MakeBridge, fake: Fake, choices: tuple[str, ...]
    ) -> None:
        bridge = make_bridge(connected=False)
        fake.list_projects("POST", {}, {"title": "own", "label_config": config(*choices)})
        bridge.connect(project_there=1)
        bridge.sync()
        assert set(fake.tasks[bridge.task(0)]["data"]) == {"body", "svp_item"}
        answer = "B2" if "B2" in choices[1] else "b"
        fake.annotate(bridge.task(0), answer)
        bridge.sync()
        assert bridge.labels() == {0: {"ada": "b"}}

    @pytest.mark.parametrize(
        ("written", "said"),
        [
            (config('value="a"'), "it lacks b"),
            (config('value="a"', 'value="b"', 'value="c"'), "it offers c, which"),
            (config('value="a"', 'value="x" alias="a"'), "two of its choices stand for 'a'"),
            (config('value="a"', 'value="b"', more=' choice="multiple"'), "several answers"),
            (config(more=' value="$options"'), "come with each task"),
            ("<View><Text name='t' value='$t'/></View>", "it has no Choices about a Text"),
            ("<View>", "it is no XML"),
            ('<!DOCTYPE a [<!ENTITY b "c">]><View/>', "document type"),
            (
                config(more="/><Choices name='y' toName='t'"),
                "several Choices (c, y)",
            ),
            (
                (
                    "<View><Text name='t' value='Hello'/><Choices name='x' toName='t'>"
                    "<Choice value='a'/><Choice value='b'/></Choices></View>"
                ),
                "let it show one key",
            ),
        ],
    )
    def test_a_config_that_does_not_fit_is_refused_with_the_difference(
        self, make_bridge: MakeBridge, fake: Fake, written: str, said: str
    ) -> None:
        bridge = make_bridge(connected=False)
        fake.list_projects("POST", {}, {"title": "own", "label_config": written})
        with pytest.raises(LabelStudioClassesDiffer) as refused:
            bridge.connect(project_there=1)
        assert said in refused.value.detail
        assert bridge.connection is None

    def test_tasks_of_others_are_left_alone(self, make_bridge: MakeBridge, fake: Fake) -> None:
        bridge = make_bridge(connected=False)
        body = {"title": "own", "label_config": config('value="a"', 'value="b"')}
        fake.list_projects("POST", {}, body)
        theirs = {"body": "x", "svp_item": "deadbeef:1"}
        fake.import_("POST", {}, [{"data": {"body": "own"}}, {"data": theirs}], 1)
        fake.annotate(1, "a")
        bridge.connect(project_there=1)
        bridge.sync()
        assert bridge.labels() == {}
        fake.delete_task(1)
        bridge.sync()
        assert len(fake.tasks) == 3

    def test_classes_that_change_later_stop_the_exchange_with_the_difference(
        self, bridge: Bridge, fake: Fake
    ) -> None:
        bridge.sync()
        with transaction(bridge.factory) as session:
            change = ClassChange(ClassChangeKind.ADD, name="c")
            change_classes(session, bridge.project, change, bridge.settings, tries=False)
        fake.annotate(bridge.task(0), "a")
        with pytest.raises(LabelStudioClassesDiffer, match="it lacks c"):
            bridge.sync()
        assert bridge.connection.error_code == "label_studio_classes_differ"
        written = fake.projects[1]["label_config"]
        fake.projects[1]["label_config"] = written.replace(
            "</Choices>", '<Choice value="c"/></Choices>'
        )
        bridge.sync()
        assert bridge.labels() == {0: {"ada": "a"}}
        assert bridge.connection.error is None


class TestRefusals:
    @pytest.mark.parametrize("token", ["wrong", "a.b.c"])
    def test_a_token_that_is_not_known(self, make_bridge: MakeBridge, token: str) -> None:
        with pytest.raises(LabelStudioRefused, match="refuses the token") as refused:
            make_bridge(connected=False).connect(token=token)
        assert token not in refused.value.detail.replace("token", "")

    def test_a_project_that_is_not_there(self, make_bridge: MakeBridge) -> None:
        with pytest.raises(LabelStudioProjectGone, match="no project 77"):
            make_bridge(connected=False).connect(project_there=77)

    @pytest.mark.parametrize("url", ["localhost:8080", "ftp://x", "http://"])
    def test_an_address_that_is_none(self, make_bridge: MakeBridge, url: str) -> None:
        with pytest.raises(LabelStudioRefused, match="is no base URL"):
            make_bridge(connected=False).connect(url=url)

    def test_a_server_that_is_away(self, make_bridge: MakeBridge) -> None:
        with pytest.raises(LabelStudioAway, match="does not answer"):
            make_bridge(connected=False).connect(url="http://127.0.0.1:9")

    def test_images_without_an_address_of_ours(
        self, images: int, session_factory: sessionmaker[Session], settings: Settings, fake: Fake
    ) -> None:
        bridge = Bridge(session_factory, settings, fake, images)
        with pytest.raises(LabelStudioNotConnected, match="--public-url"):
            bridge.connect()

    def test_a_project_that_is_not_connected(self, make_bridge: MakeBridge) -> None:
        bridge = make_bridge(connected=False)
        with pytest.raises(LabelStudioNotConnected, match="svp labelstudio connect"):
            disconnect(bridge.factory, bridge.project, bridge.settings, open_at_once)


class TestTokens:
    def test_a_personal_token_is_exchanged_again_when_it_has_expired(
        self, make_bridge: MakeBridge, fake: Fake
    ) -> None:
        bridge = make_bridge(connected=False)
        bridge.connect(token=PERSONAL)
        bridge.sync()
        before = fake.n_refreshes
        asked: list[str] = []

        def expire_once(_method: str, path: str) -> None:
            asked.append(path)
            if asked.count("/api/tasks/") == 1 and path == "/api/tasks/":
                fake.expire_tokens()

        fake.on_request = expire_once
        fake.annotate(bridge.task(0), "a")
        bridge.sync()
        assert bridge.labels() == {0: {"ada": "a"}}
        assert fake.n_refreshes > before + 1

    def test_the_token_stands_in_no_row_that_is_shown_and_in_no_error(
        self, bridge: Bridge, fake: Fake, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.fail(99, 500)
        with pytest.raises(DomainError) as failed:
            bridge.sync()
        shown = repr(bridge.connection) + str(vars(bridge.connection)) + failed.value.detail
        shown += str(bridge.ask("SELECT facts FROM events")) + capsys.readouterr().out
        assert LEGACY not in shown
        assert LEGACY not in repr(ConnectionIn(fake.url, LEGACY))


class TestDisconnect:
    def test_items_are_free_again_and_labels_stay(self, bridge: Bridge, fake: Fake) -> None:
        bridge.sync()
        fake.annotate(bridge.task(0), "a")
        bridge.sync()
        disconnect(bridge.factory, bridge.project, bridge.settings, open_at_once)
        assert bridge.labels() == {0: {"ada": "a"}}
        assert bridge.held() == {}

    def test_a_connection_made_again_takes_its_tasks_on(self, bridge: Bridge, fake: Fake) -> None:
        bridge.sync()
        task = bridge.task(1)
        disconnect(bridge.factory, bridge.project, bridge.settings, open_at_once)
        fake.annotate(task, "b", BOB)
        bridge.connect()
        bridge.sync()
        assert bridge.labels() == {1: {"bob": "b"}}
        assert bridge.shown() == [0, 1]


class TestWebhook:
    def test_its_secret_is_checked_and_it_only_wakes(
        self, http: TestClient, make_bridge: MakeBridge, fake: Fake
    ) -> None:
        bridge = make_bridge(connected=False)
        connection = bridge.connect(public_url="http://127.0.0.1:9")
        (webhook,) = fake.webhooks.values()
        assert webhook["url"] == f"http://127.0.0.1:9{webhook_path(connection)}"
        assert webhook["send_payload"] is False
        bridge.run("DELETE FROM label_studio_wakes")
        path = webhook_path(connection)
        for headers in ({}, {"X-Svp-Webhook-Secret": "wrong"}):
            assert http.post(path, headers=headers, json={}).status_code == 404
        assert http.post(webhook_path(99), headers=webhook["headers"]).status_code == 404
        assert bridge.ask("SELECT * FROM label_studio_wakes") == []
        answer = http.post(path, headers=webhook["headers"], content=b"x" * 100_000)
        assert answer.status_code == 204
        assert len(bridge.ask("SELECT * FROM label_studio_wakes")) == 1

    def test_one_that_cannot_be_made_is_no_hindrance(
        self, make_bridge: MakeBridge, fake: Fake
    ) -> None:
        bridge = make_bridge(connected=False)
        fake.fail(9, 403, "/api/webhooks/")
        bridge.connect(public_url="http://10.0.0.1")
        bridge.sync()
        assert bridge.shown() == [0, 1]


class TestImages:
    def test_their_addresses_outlive_days_and_only_that_label_studio_may_read_them(
        self,
        http: TestClient,
        admin: Client,
        images: int,
        session_factory: sessionmaker[Session],
        settings: Settings,
        fake: Fake,
    ) -> None:
        files = [(f"{i}.png", png(8 + i)) for i in range(4)]
        admin.upload_images(images, files)
        bridge = Bridge(session_factory, settings, fake, images)
        bridge.connect(public_url="http://svp.example/", browser_url="https://ls.example/x")
        admin.start(images)
        publish_in_order(session_factory, settings, images, 4)
        bridge.sync()
        data = dict(fake.tasks[bridge.task(0)]["data"])
        assert data["image"].startswith("http://svp.example/api/v1/projects/")
        path = data["image"].removeprefix("http://svp.example")
        answer = http.get(path, headers={"Origin": "https://ls.example"})
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "https://ls.example"
        assert answer.headers["Vary"] == "Origin"
        for origin in ("https://evil.example", "http://ls.example", "null"):
            other = http.get(path, headers={"Origin": origin})
            assert "Access-Control-Allow-Origin" not in other.headers
        bridge.run("UPDATE label_studio_tasks SET image_until = now() + interval '1 h'")
        fake.let_time_pass(60)
        fake.tasks[bridge.task(0)]["data"]["image"] = "old"
        bridge.sync()
        assert fake.tasks[bridge.task(0)]["data"] == data
        ((days,),) = bridge.ask(
            "SELECT extract(epoch FROM min(image_until) - now()) / 86400 FROM label_studio_tasks"
        )
        assert 13.9 < days < 14.1
