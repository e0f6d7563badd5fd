"""Settings that change between rounds: for the next round, with an event, or refused."""

from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine

from app.config import Settings
from app.db.migrate import alembic_config
from app.db.queries.invariants import find_violations
from app.db.session import transaction
from app.services import jobs
from svp_client import Client, ClientError
from tests.loop import Factory, claim_waiting, publish_in_order, start_labeling

N_ITEMS = 40


@pytest.fixture
def project(session_factory: Factory, settings: Settings) -> int:
    """A project whose round 0 is being labeled: 4 of 12 items, reserve 2."""
    return start_labeling(
        session_factory,
        settings,
        "p",
        N_ITEMS,
        strategy="least_confidence",
        initial_budget=4,
        round_budget=4,
        total_budget=12,
    )


def label_batch(client: Client, project: int, size: int = 4) -> None:
    """Label with both classes in turn."""
    items = client.next_batch(project, size)["items"]
    labels = [{"item_id": x["item_id"], "class": "ab"[i % 2]} for i, x in enumerate(items)]
    client.submit_labels(project, labels)


def changes(client: Client, project: int) -> list[tuple[str, Any, Any]]:
    events = client.request("GET", f"/projects/{project}/events").json()["events"]
    facts = [e["facts"] for e in events if e["name"] == "project.setting_changed"]
    return [(f["setting"], f["before"], f["after"]) for f in facts]


def refusal(client: Client, project: int, **settings: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as refused:
        client.change_project(project, **settings)
    return refused.value.status, refused.value.code


class TestNextRound:
    def test_round_at_work_keeps_what_it_was_created_with(
        self, admin: Client, project: int
    ) -> None:
        label_batch(admin, project)  # round 1 is created: it trains with the settings of now
        before = admin.project(project)
        proxy = {"model": "fasttext", "recipe": {"epochs": 2, "buckets": 50}}
        admin.change_project(
            project,
            strategy="entropy",
            selection={"control_fraction": 0.5},
            trigger={"retrain_fraction": 0.5},
            proxy=proxy,
            round_budget=3,
        )
        now = admin.rounds(project)[1]
        assert (now["strategy"], now["budget"]) == ("least_confidence", 4)
        assert now["settings"] == {name: before[name] for name in ("proxy", "selection", "trigger")}

    def test_next_round_takes_the_new_settings(self, admin: Client, project: int) -> None:
        admin.change_project(
            project, strategy="entropy", round_budget=3, selection={"control_fraction": 0.5}
        )
        label_batch(admin, project)
        begun, after = admin.rounds(project)[1], admin.project(project)
        assert (begun["strategy"], begun["budget"]) == ("entropy", 3)
        assert begun["settings"]["selection"]["control_fraction"] == 0.5
        assert begun["settings"]["proxy"] == after["proxy"]

    def test_each_change_is_one_event_with_before_and_after(
        self, admin: Client, project: int
    ) -> None:
        admin.change_project(project, strategy="margin", round_budget=4, reserve=0)
        admin.change_project(project, trigger={"retrain_fraction": 0.5})
        admin.change_project(project, trigger={"min_new_labels": 2})
        plain = {"retrain_fraction": 1.0, "retrain_after_seconds": None, "min_new_labels": 1}
        half = {**plain, "retrain_fraction": 0.5}
        assert changes(admin, project) == [
            ("strategy", "least_confidence", "margin"),
            ("reserve", 2, 0),
            ("trigger", plain, half),
            ("trigger", half, {**half, "min_new_labels": 2}),
        ]

    def test_options_that_are_not_named_stay(self, admin: Client, project: int) -> None:
        admin.change_project(project, selection={"class_balance": True})
        changed = admin.change_project(project, selection={"control_fraction": 0.1})["selection"]
        assert (changed["class_balance"], changed["control_fraction"]) == (True, 0.1)

    def test_models_are_replaced_with_their_whole_recipe(self, admin: Client, project: int) -> None:
        changed = admin.change_project(project, target={"model": "fasttext", "recipe": {"dim": 7}})
        assert changed["target"]["recipe"]["dim"] == 7
        assert changed["target"]["recipe"]["epochs_per_stage"] != [1]  # not the target's before


class TestBudget:
    def test_total_budget_cannot_rise_above_the_pool(self, admin: Client, project: int) -> None:
        n_pool = admin.project(project)["n_pool"]
        assert refusal(admin, project, total_budget=n_pool + 1) == (422, "project_invalid")
        assert admin.change_project(project, total_budget=n_pool)["total_budget"] == n_pool

    def test_total_budget_cannot_fall_below_what_is_handed_out(
        self, admin: Client, project: int
    ) -> None:
        admin.next_batch(project, 6)  # 4 of the batch, 2 of the reserve
        assert refusal(admin, project, total_budget=5) == (422, "project_invalid")
        assert admin.change_project(project, total_budget=6)["total_budget"] == 6

    def test_more_budget_brings_on_a_project_that_waits_for_its_last_leases(
        self, admin: Client, project: int, session_factory: Factory
    ) -> None:
        admin.change_project(project, total_budget=6)
        held = admin.next_batch(project, 6)["items"]
        admin.submit_labels(project, [{"item_id": x["item_id"], "class": "a"} for x in held[:4]])
        assert admin.project(project)["round"] == {"number": 0, "state": "completed"}
        admin.change_project(project, total_budget=9)
        assert admin.rounds(project)[-1]["number"] == 1
        assert admin.rounds(project)[1]["budget"] == 3  # 9 - 4 labeled - 2 held
        with transaction(session_factory) as session:
            assert list(find_violations(session)) == []

    def test_budget_lowered_to_what_is_labeled_trains_the_target(
        self, admin: Client, project: int, session_factory: Factory, settings: Settings
    ) -> None:
        admin.change_project(project, total_budget=5, reserve=0)
        held = admin.next_batch(project, 5)["items"]
        admin.submit_labels(project, [{"item_id": x["item_id"], "class": "a"} for x in held[:4]])
        admin.request("POST", f"/projects/{project}/leases/release", json={})
        assert admin.rounds(project)[1]["budget"] == 1
        admin.change_project(project, total_budget=4)  # the selection under way finds no room
        publish_in_order(session_factory, settings, project, N_ITEMS)
        assert admin.project(project)["state"] == "training_target"


class TestRefused:
    @pytest.mark.parametrize(
        ("wanted", "code"),
        [
            ({"strategy": "nonsense"}, "project_invalid"),
            ({"proxy": {"model": "preact8"}}, "project_invalid"),
            ({"proxy": {"model": "probe"}}, "project_invalid"),
            ({"selection": {"measure_recall": True}}, "project_invalid"),
            ({"selection": {"cold_start": "margin"}}, "project_invalid"),
            ({"selection": {"features": "brought"}}, "project_not_startable"),
            ({"initial_budget": 3}, "project_not_accepting"),
            ({"round_budget": None}, "request_invalid"),
            ({"round_budget": 0}, "request_invalid"),
            ({"trigger": {"retrain_fraction": 0}}, "request_invalid"),
            ({"stop_when": {"kappa": 2}}, "request_invalid"),
            ({"seed": 2}, "request_invalid"),
        ],
    )
    def test_what_does_not_fit_changes_nothing(
        self, admin: Client, project: int, wanted: dict[str, Any], code: str
    ) -> None:
        before = admin.project(project)
        assert refusal(admin, project, **{"total_budget": 20, **wanted})[1] == code
        assert admin.project(project) == before
        assert changes(admin, project) == []

    def test_draft_may_change_its_initial_budget_within_the_total(
        self, admin: Client, text_project: int
    ) -> None:
        assert admin.change_project(text_project, initial_budget=5)["initial_budget"] == 5
        assert refusal(admin, text_project, initial_budget=13) == (422, "project_invalid")

    def test_labeling_that_has_ended_keeps_its_settings(self, admin: Client, project: int) -> None:
        label_batch(admin, project)
        admin.request("POST", f"/projects/{project}/finish")
        assert refusal(admin, project, round_budget=5) == (409, "project_not_accepting")
        target = {"model": "fasttext", "recipe": {"epochs": 3}}
        assert refusal(admin, project, target=target) == (409, "project_not_accepting")

    def test_annotators_may_not(self, make_client: Any, project: int) -> None:
        assert refusal(make_client("eve"), project, round_budget=5) == (403, "not_allowed")


class TestRetry:
    def fail(self, factory: Factory, settings: Settings, project: int) -> None:
        for _ in range(3):
            claimed = claim_waiting(factory, settings, project)
            assert claimed is not None
            with transaction(factory) as session:
                jobs.fail_attempt(session, claimed.id, claimed.token, "out of memory")

    def test_failed_round_takes_the_proxy_that_was_changed_meanwhile(
        self, admin: Client, project: int, session_factory: Factory, settings: Settings
    ) -> None:
        label_batch(admin, project)
        self.fail(session_factory, settings, project)
        smaller = {"model": "fasttext", "recipe": {"epochs": 1, "dim": 3}}
        admin.change_project(project, proxy=smaller)
        admin.request("POST", f"/projects/{project}/rounds/1/retry")
        again = admin.rounds(project)[1]
        assert again["state"] == "training"
        assert again["settings"]["proxy"]["recipe"]["dim"] == 3

    def test_failed_round_follows_a_strategy_that_needs_no_proxy(
        self, admin: Client, project: int, session_factory: Factory, settings: Settings
    ) -> None:
        label_batch(admin, project)
        self.fail(session_factory, settings, project)
        admin.change_project(project, strategy="uniform")
        admin.request("POST", f"/projects/{project}/rounds/1/retry")
        again = admin.rounds(project)[1]
        assert (again["state"], again["strategy"]) == ("selecting", "uniform")
        assert admin.jobs(project)[0]["kind"] == "select"
        with transaction(session_factory) as session:
            assert list(find_violations(session)) == []

    def test_failed_target_takes_the_target_that_was_changed_meanwhile(
        self, admin: Client, project: int, session_factory: Factory, settings: Settings
    ) -> None:
        label_batch(admin, project)
        admin.request("POST", f"/projects/{project}/finish")
        self.fail(session_factory, settings, project)
        target = {"model": "fasttext", "recipe": {"epochs": 3, "dim": 3}}
        assert admin.change_project(project, target=target)["target"]["recipe"]["dim"] == 3
        job = admin.jobs(project)[0]["id"]
        admin.request("POST", f"/projects/{project}/jobs/{job}/retry")
        assert admin.jobs(project)[0]["state"] == "queued"


def test_rounds_of_older_databases_get_the_settings_that_they_were_run_with(
    admin: Client, project: int, engine: Engine
) -> None:
    kept = {name: admin.project(project)[name] for name in ("proxy", "selection")}
    with engine.begin() as connection:
        config = alembic_config(connection)
        command.downgrade(config, "0006-1")
        command.upgrade(config, "head")
    assert admin.rounds(project)[0]["settings"] == {**kept, "trigger": {}}
    label_batch(admin, project)  # an empty trigger is a plain one
    assert [r["state"] for r in admin.rounds(project)] == ["completed", "training"]
