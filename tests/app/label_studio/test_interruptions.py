"""Kills, lost answers and outages at any moment: nothing is doubled and nothing is lost."""

import socket
import subprocess
import threading
from datetime import timedelta

import pytest

from app.db.queries import label_studio as queries
from app.db.session import transaction
from app.domain.errors import LabelStudioAway, LabelStudioBusy, LabelStudioProjectGone
from app.integrations.label_studio.client import LabelStudio
from app.integrations.label_studio.transport import Transport
from app.services.label_studio_sync import sync
from tests.app.label_studio.conftest import MakeBridge
from tests.label_studio.bridge import Bridge
from tests.label_studio.fake import BOB, Fake
from tests.loop import expire_leases
from tests.support import wait_for
from workers.service.label_studio import run_label_studio


class Killed(BaseException):
    """The process is gone: nothing of the pass goes on."""


class DyingTransport(Transport):
    """Dies at one of its requests, before or after Label Studio did what it asks."""

    def __init__(self, url: str, token: str, at: int, *, after: bool) -> None:
        super().__init__(url, token, sleep=lambda _: None)
        self.left, self.after = at, after

    def request(self, *args: object, **sent: object) -> object:  # type: ignore[override]
        self.left -= 1
        if self.left < 0 and not self.after:
            raise Killed
        answer = super().request(*args, **sent)  # type: ignore[arg-type]
        if self.left < 0:
            raise Killed
        return answer


def kill_in_pass(bridge: Bridge, at: int, *, after: bool, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Run a pass that dies at its request number `at`; return whether it came so far."""
    monkeypatch.setattr("app.services.label_studio_sync.let_go", lambda *_: None)

    def open_(url: str, token: str) -> LabelStudio:
        return LabelStudio(DyingTransport(url, token, at, after=after))

    died = False
    try:
        sync(bridge.factory, bridge.connection.id, bridge.settings, open_=open_)
    except Killed:
        died = True
    monkeypatch.undo()
    let_claim_end(bridge)
    return died


def let_claim_end(bridge: Bridge) -> None:
    """Let two minutes pass for the claim of a process that died."""
    bridge.run("UPDATE label_studio_connections SET held_until = now() - interval '1 s'")


class TestKills:
    @pytest.mark.parametrize("after", [False, True])
    def test_a_pass_that_dies_at_any_request_is_finished_by_the_next(
        self, make_bridge: MakeBridge, fake: Fake, monkeypatch: pytest.MonkeyPatch, after: bool
    ) -> None:
        bridge = make_bridge(n_items=12, initial_budget=4, round_budget=4, total_budget=12)
        n_deaths = 0
        for at in range(12):
            n_deaths += kill_in_pass(bridge, at, after=after, monkeypatch=monkeypatch)
        bridge.sync()
        assert bridge.shown() == [0, 1, 2, 3]
        fake.annotate(bridge.task(0), "a")
        fake.annotate(bridge.task(0), "b", BOB)
        first = fake.annotate(bridge.task(1), "a")
        fake.skip(bridge.task(2))
        for at in range(12):
            n_deaths += kill_in_pass(bridge, at, after=after, monkeypatch=monkeypatch)
        fake.delete(first)
        for at in range(12):
            n_deaths += kill_in_pass(bridge, at, after=after, monkeypatch=monkeypatch)
        bridge.sync()
        assert n_deaths >= 8
        assert bridge.labels() == {0: {"ada": "a", "bob": "b"}}
        assert bridge.states()[2] == "skipped"
        assert bridge.shown() == [0, 1, 2, 3, 4]
        assert len({t["data"]["svp_item"] for t in fake.tasks.values()}) == len(fake.tasks)
        assert set(bridge.held()) == {1, 3, 4}

    def test_a_process_that_was_only_slow_stops_when_another_has_taken_over(
        self, bridge: Bridge, fake: Fake
    ) -> None:
        def take_over(_method: str, path: str) -> None:
            if path.endswith("/import"):
                fake.on_request = lambda _m, _p: None
                let_claim_end(bridge)
                bridge.sync()

        fake.on_request = take_over
        with pytest.raises(LabelStudioBusy, match="taken over"):
            bridge.sync()
        fake.let_time_pass(1)
        bridge.sync()
        bridge.sync()
        assert bridge.shown() == [0, 1]  # its tasks were second ones, and nobody had seen them

    def test_second_tasks_that_were_annotated_stay_and_count(
        self, bridge: Bridge, fake: Fake
    ) -> None:
        bridge.sync()
        again = [{"data": dict(fake.tasks[bridge.task(0)]["data"])}]
        fake.import_("POST", {}, again, 1)
        fake.annotate(max(fake.tasks), "b", BOB)
        bridge.sync()
        assert bridge.labels() == {0: {"bob": "b"}}
        assert sorted(bridge.shown()) == [0, 1]  # the one that nobody annotated went

    def test_the_claim_of_a_process_that_died_on_this_host_ends_at_once(
        self, bridge: Bridge
    ) -> None:
        process = subprocess.Popen(["true"])
        process.wait()
        held = "UPDATE label_studio_connections SET holder = gen_random_uuid(), held_by = :by, "
        held += "held_until = now() + interval '2 minutes'"
        bridge.run(held, by="1@another-host")
        with pytest.raises(LabelStudioBusy):
            bridge.sync()
        bridge.run(held, by=f"{process.pid}@{socket.gethostname()}")
        assert bridge.sync().n_pushed == 2

    def test_two_passes_at_once_are_refused(self, bridge: Bridge, fake: Fake) -> None:
        refused: list[str] = []

        def second(_method: str, path: str) -> None:
            if path.endswith("/import"):
                with pytest.raises(LabelStudioBusy) as error:
                    bridge.sync()
                refused.append(error.value.code)

        fake.on_request = second
        bridge.sync()
        assert refused == ["label_studio_busy"]
        assert bridge.shown() == [0, 1]


class TestOutages:
    def test_an_import_without_an_answer_is_found_by_its_items(
        self, bridge: Bridge, fake: Fake
    ) -> None:
        fake.fail(1, "after", "/import")
        with pytest.raises(LabelStudioAway):
            bridge.sync()
        assert bridge.connection.error_code == "label_studio_away"
        bridge.sync()
        assert bridge.shown() == [0, 1]
        assert bridge.connection.error is None

    @pytest.mark.parametrize("what", ["before", "after", 500, 502, 429])
    def test_short_outages_are_bridged_by_trying_again(
        self, bridge: Bridge, fake: Fake, what: str | int
    ) -> None:
        bridge.sync()
        fake.annotate(bridge.task(0), "a")
        fake.fail(2, what)
        bridge.sync()
        assert bridge.labels() == {0: {"ada": "a"}}

    def test_a_long_one_is_an_error_and_everything_comes_later(
        self, bridge: Bridge, fake: Fake
    ) -> None:
        bridge.sync()
        fake.annotate(bridge.task(0), "a")
        fake.fail(3, 503)
        with pytest.raises(LabelStudioAway, match="answered GET /api/projects/1/ with 503"):
            bridge.sync()
        assert bridge.connection.n_failures == 1
        bridge.sync()
        assert bridge.labels() == {0: {"ada": "a"}}
        assert bridge.connection.n_failures == 0

    def test_a_deleted_project_frees_all_items_and_keeps_labels(
        self, bridge: Bridge, fake: Fake
    ) -> None:
        bridge.sync()
        fake.annotate(bridge.task(0), "a")
        bridge.sync()
        fake.delete_project(1)
        with pytest.raises(LabelStudioProjectGone, match="Labels are kept"):
            bridge.sync()
        assert bridge.held() == {}
        assert bridge.labels() == {0: {"ada": "a"}}
        bridge.connect()
        bridge.sync()
        assert bridge.shown() == [1]
        assert set(bridge.held()) == {1}


class TestLeases:
    def test_they_last_days_and_are_renewed_while_the_task_lives(self, bridge: Bridge) -> None:
        bridge.sync()
        assert all(6.9 < days < 7.1 for days in bridge.held().values())
        bridge.run("UPDATE batch_item_slots SET leased_until = now() + interval '2 d'"
                   " WHERE leased_by IS NOT NULL")  # fmt: skip
        bridge.sync()
        assert all(6.9 < days < 7.1 for days in bridge.held().values())

    def test_while_nobody_renews_them_others_get_the_items_in_the_end(
        self, bridge: Bridge, fake: Fake
    ) -> None:
        bridge.sync()
        expire_leases(bridge.factory, bridge.project)
        bridge.run("INSERT INTO annotators (name) VALUES ('eve')")
        bridge.run(
            "UPDATE batch_item_slots SET leased_until = now() + interval '1 h', leased_by = "
            "(SELECT id FROM annotators WHERE name = 'eve') WHERE batch_item_id = "
            "(SELECT min(id) FROM batch_items)"
        )
        late = fake.annotate(bridge.task(0), "a")
        bridge.sync()
        assert bridge.codes() == [("leased_to_another", True)]
        bridge.run(
            "UPDATE batch_item_slots SET leased_until = now() - interval '1 h' WHERE leased_by = "
            "(SELECT id FROM annotators WHERE name = 'eve')"
        )
        bridge.sync()
        assert bridge.labels() == {0: {"ada": "a"}}
        assert late


class TestLoop:
    def test_it_polls_is_woken_and_survives_outages(self, bridge: Bridge, fake: Fake) -> None:
        settings = bridge.settings.model_copy(update={"label_studio_poll_seconds": 1.0})
        stopped = threading.Event()
        arguments = (bridge.factory, settings, stopped)
        loop = threading.Thread(target=run_label_studio, args=arguments)
        loop.start()
        try:
            live = "SELECT id FROM label_studio_tasks WHERE state = 'live'"
            wait_for(lambda: len(bridge.ask(live)) == 2, 10)
            fake.annotate(bridge.task(0), "a")
            wait_for(lambda: bridge.labels() == {0: {"ada": "a"}}, 10)
            fake.fail(3, 401)
            wait_for(lambda: bridge.connection.n_failures > 0, 10)
            assert bridge.connection.error_code == "label_studio_refused"
            fake.faults.clear()
            fake.annotate(bridge.task(1), "b")
            wait_for(lambda: 1 in bridge.labels(), 10)
        finally:
            stopped.set()
            loop.join()

    def test_what_fails_is_tried_later_and_later(self, bridge: Bridge) -> None:
        def due() -> bool:
            with transaction(bridge.factory) as session:
                return bool(queries.due(session, 15, 300))

        assert due()
        bridge.sync()
        assert not due()
        ago = "UPDATE label_studio_connections SET begun_at = now() - CAST(:ago AS interval)"
        bridge.run(ago, ago=timedelta(seconds=20))
        assert due()
        bridge.run("UPDATE label_studio_connections SET n_failures = 2")
        assert not due()
        bridge.run(ago, ago=timedelta(seconds=70))
        assert due()
        bridge.run("UPDATE label_studio_connections SET n_failures = 50")
        assert not due()
        bridge.run(ago, ago=timedelta(seconds=301))
        assert due()
