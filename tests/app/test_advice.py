"""Stopping advice over HTTP, and labeling that ends by itself."""

from typing import Any

import pytest
from sqlalchemy import text

from app.config import Settings
from app.db.queries.batches import RankedItem
from app.db.queries.invariants import find_violations
from app.db.session import transaction
from app.domain.learning_curve import Share
from app.services import job_results
from app.services.job_results import Selection, TrainedFacts
from models.seconds import PartSeconds
from svp_client import Client
from tests.loop import Factory, claim_waiting, start_labeling


class Curve:
    """A project whose rounds are published with given accuracies and stabilities."""

    def __init__(self, factory: Factory, settings: Settings, admin: Client, **given: Any) -> None:
        self.factory, self.settings, self.admin = factory, settings, admin
        given = {"strategy": "least_confidence", "total_budget": 40, "reserve": 0, **given}
        budgets = {"initial_budget": 4, "round_budget": 4}
        self.project = start_labeling(factory, settings, "p", 60, **{**budgets, **given})

    def label(self, size: int = 4) -> None:
        items = self.admin.next_batch(self.project, size)["items"]
        labels = [{"item_id": x["item_id"], "class": "ab"[i % 2]} for i, x in enumerate(items)]
        self.admin.submit_labels(self.project, labels)

    def publish(
        self, accuracy: float | None, kappa: float | None = None, *, n_evaluation: int = 10_000
    ) -> None:
        claimed = claim_waiting(self.factory, self.settings, self.project)
        assert claimed is not None
        n_labeled = self.admin.project(self.project)["n_labeled"]
        metrics = (
            {"accuracy": accuracy, "n_evaluation": n_evaluation} if accuracy is not None else {}
        )
        model = TrainedFacts("fasttext", {}, "r", "w", n_labeled, metrics, PartSeconds(), {})
        ranked = [RankedItem(i, -float(i), i % 2, 0.9, is_control=i % 4 == 0) for i in range(60)]
        stability = {"round": 0, "n": 50, "agreement": 0.9, "kappa": kappa} if kappa else {}
        selection = Selection(
            ranked, n_labeled, PartSeconds(), "0", model, predictions_hash="p", stability=stability
        )
        with transaction(self.factory) as session:
            job_results.begin_selecting(session, claimed)
            job_results.publish_selection(session, claimed, selection, self.settings)

    def go(self, *rounds: tuple[float | None, float | None]) -> None:
        for accuracy, kappa in rounds:
            self.label()
            self.publish(accuracy, kappa)


class TestAdviceOfTheApi:
    @pytest.fixture
    def run(self, session_factory: Factory, settings: Settings, admin: Client) -> Curve:
        return Curve(session_factory, settings, admin)

    def test_before_the_first_model_nothing_is_known(self, run: Curve) -> None:
        advice = run.admin.advice(run.project)
        assert (advice["advice"], advice["rounds"]) == ("continue", [])
        assert advice["expected_gain"] is None
        assert "not enough rounds" in advice["reasons"][1]

    def test_rounds_show_accuracy_with_interval_and_stability(self, run: Curve) -> None:
        run.go((0.6, None), (0.7, 0.5))
        last = run.admin.advice(run.project)["rounds"][-1]
        low, high = Share(7000, 10_000).interval
        assert last["evaluation"] == {
            "accuracy": 0.7, "low": pytest.approx(low), "high": pytest.approx(high), "n": 10_000
        }  # fmt: skip
        assert last["stability"] == {"round": 0, "n": 50, "agreement": 0.9, "kappa": 0.5}
        assert (last["round"], last["n_labeled"], last["proxy"]) == (2, 8, "fasttext")

    def test_control_arm_counts_the_proxys_own_predictions(
        self, run: Curve, session_factory: Factory
    ) -> None:
        run.go((None, None))
        run.label()  # round 1's batch: items 4..7, item 4 is control; suggested 0, labeled a
        (only,) = run.admin.advice(run.project)["rounds"]
        assert only["evaluation"] is None
        assert only["control"]
        assert (only["control"]["accuracy"], only["control"]["n"]) == (1.0, 1)
        with transaction(session_factory) as session:
            session.execute(text("UPDATE batch_items SET suggestion_class = 1 WHERE is_control"))
        (only,) = run.admin.advice(run.project)["rounds"]
        assert only["control"]
        assert only["control"]["accuracy"] == 0.0

    def test_three_rounds_give_the_expected_gain_and_it_is_the_same_when_asked_again(
        self, run: Curve
    ) -> None:
        run.go((0.6, None), (0.7, 0.5))
        assert run.admin.advice(run.project)["expected_gain"] is None
        run.go((0.75, 0.6))
        advice = run.admin.advice(run.project)
        gain = advice["expected_gain"]
        assert gain
        assert (gain["n_from"], gain["n_to"], advice["measured_on"]) == (12, 16, "evaluation")
        assert gain["low"] < 0.005 < gain["expected"] < gain["high"] < 0.1
        assert run.admin.advice(run.project) == advice

    def test_without_an_evaluation_split_the_control_arm_is_measured_on(self, run: Curve) -> None:
        run.go(*[(None, None)] * 3)
        advice = run.admin.advice(run.project)
        assert advice["measured_on"] == "control"
        assert advice["expected_gain"] is None  # the control arm of round 3 wants its labels
        run.label()
        advice = run.admin.advice(run.project)
        assert (advice["measured_on"], len(advice["rounds"])) == ("control", 3)
        gain = advice["expected_gain"]
        assert gain
        assert gain["high"] > gain["low"]

    def test_another_proxy_begins_another_curve(self, run: Curve) -> None:
        run.go((0.6, None), (0.7, 0.5), (0.75, 0.6))
        with transaction(run.factory) as session:
            session.execute(text("UPDATE models SET recipe_hash = 'other' WHERE round_number < 2"))
        assert run.admin.advice(run.project)["expected_gain"] is None

    def test_flat_and_stable_says_stop(self, run: Curve) -> None:
        run.go(*[(0.9, 0.995)] * 4)
        advice = run.admin.advice(run.project)
        assert advice["advice"] == "stop"
        assert advice["expected_gain"]
        assert advice["expected_gain"]["mean_high"] < 0.005


class TestAutomaticStop:
    def state(self, run: Curve) -> str:
        with transaction(run.factory) as session:
            assert list(find_violations(session)) == []
        return str(run.admin.project(run.project)["state"])

    def test_is_off_unless_asked_for(
        self, session_factory: Factory, settings: Settings, admin: Client
    ) -> None:
        run = Curve(session_factory, settings, admin)
        run.go(*[(0.9, 1.0)] * 5)
        assert self.state(run) == "running"

    def test_ends_labeling_between_rounds_and_says_why(
        self, session_factory: Factory, settings: Settings, admin: Client
    ) -> None:
        run = Curve(session_factory, settings, admin, stop_when={"kappa": 0.95, "rounds": 2})
        run.go((0.8, None), (0.8, 0.9), (0.8, 0.96), (0.8, 0.97))
        assert self.state(run) == "running"  # never while a batch is open
        run.label()
        assert self.state(run) == "training_target"
        events = admin.request("GET", f"/projects/{run.project}/events?limit=1000").json()["events"]
        (stop,) = [e for e in events if e["facts"].get("to") == "training_target"]
        assert stop["facts"]["reason"] == "stop_when"
        assert "kappa of the last 2 rounds is 0.960, 0.970" in stop["facts"]["because"][0]

    def test_waits_for_what_annotators_hold_and_hands_out_nothing_more(
        self, session_factory: Factory, settings: Settings, admin: Client
    ) -> None:
        run = Curve(session_factory, settings, admin, stop_when={"kappa": 0.9, "rounds": 1})
        admin.change_project(run.project, reserve=4)
        run.go((0.8, None), (0.8, 0.95))
        held = admin.next_batch(run.project, 6)["items"]  # 4 of the batch, 2 of the reserve
        labels = [{"item_id": x["item_id"], "class": "a"} for x in held]
        admin.submit_labels(run.project, labels[:4])
        assert self.state(run) == "running"
        assert len(admin.next_batch(run.project, 6)["items"]) == 2
        assert [r["status"] for r in admin.submit_labels(run.project, labels[4:])] == [
            "created"
        ] * 2
        assert self.state(run) == "training_target"

    @pytest.mark.parametrize("change", [{}, {"total_budget": 50}, {"stop_when": {"kappa": 0.99}}])
    def test_once_decided_it_stands_until_the_owner_changes_it(
        self,
        session_factory: Factory,
        settings: Settings,
        admin: Client,
        change: dict[str, Any],
    ) -> None:
        stop_when = {"kappa": 0.9, "rounds": 1}
        run = Curve(session_factory, settings, admin, stop_when=stop_when, reserve=4)
        run.go((0.8, None), (0.8, 0.95))
        held = admin.next_batch(run.project, 5)["items"]  # 4 of the batch, 1 of the reserve
        labels = [{"item_id": x["item_id"], "class": "a"} for x in held]
        admin.submit_labels(run.project, labels[:4])
        with transaction(session_factory) as session:  # as if asked now, the rule did not hold
            session.execute(text("UPDATE rounds SET stability = '{}'"))
        if change:
            admin.change_project(run.project, **change)
        admin.submit_labels(run.project, labels[4:])
        assert self.state(run) == ("running" if change else "training_target")
        n_rounds = len(admin.request("GET", f"/projects/{run.project}/rounds").json())
        assert n_rounds == (4 if change else 3)

    def test_next_round_by_hand_goes_on_all_the_same(
        self, session_factory: Factory, settings: Settings, admin: Client
    ) -> None:
        run = Curve(session_factory, settings, admin, stop_when={"kappa": 0.9, "rounds": 1})
        run.go((0.8, None), (0.8, 0.95))
        run.label(2)
        assert admin.begin_next_round(run.project)["number"] == 3
        assert self.state(run) == "running"
