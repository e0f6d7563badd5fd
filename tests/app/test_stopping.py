"""Stopping advice: intervals, the fitted learning curve, verdicts, and what the API says."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries.batches import RankedItem
from app.db.queries.invariants import find_violations
from app.db.session import transaction
from app.domain.json_fields import SettingError, from_json
from app.domain.learning_curve import (
    EXPONENTS,
    TRAINING_NOISE,
    CurvePoint,
    Gain,
    Share,
    expected_gain,
    falls_faster,
)
from app.domain.stopping import Evidence, StopRule, Verdict, advise, is_stable, should_stop
from app.services import job_results
from app.services.job_results import Selection, TrainedFacts
from svp_client import Client
from tests.loop import claim_waiting, start_labeling

Factory = sessionmaker[Session]


def gain_of(points: list[CurvePoint], n_from: int, n_to: int) -> Gain:
    gain = expected_gain(points, n_from, n_to, np.random.default_rng(0))
    assert gain is not None
    return gain


def curve(floor: float, scale: float, exponent: float, n: int = 10**7) -> list[CurvePoint]:
    """Return exact points of a learning curve, measured on n items."""
    labels = (100, 200, 400, 800, 1600)
    errors = [floor + scale * m**-exponent for m in labels]
    return [
        CurvePoint(m, Share(round((1 - error) * n), n))
        for m, error in zip(labels, errors, strict=True)
    ]


class TestInterval:
    @given(st.integers(1, 5000), st.floats(0, 1))
    def test_is_wilsons(self, n: int, share: float) -> None:
        measured = Share(round(share * n), n)
        reference = binomtest(measured.n_right, n).proportion_ci(0.95, method="wilson")
        assert measured.interval == pytest.approx((reference.low, reference.high), abs=1e-9)

    @given(st.integers(1, 5000), st.floats(0, 1))
    def test_holds_the_share_and_stays_within_0_and_1(self, n: int, share: float) -> None:
        measured = Share(round(share * n), n)
        low, high = measured.interval
        assert 0 <= low <= measured.value <= high <= 1
        assert low < high


class TestExpectedGain:
    @settings(max_examples=30)
    @given(st.floats(0, 0.2), st.floats(1, 5), st.floats(0.2, 1.2))
    def test_exact_points_give_about_the_curves_own_fall(
        self, floor: float, scale: float, exponent: float
    ) -> None:
        scale = min(scale, 0.7 * 100**exponent)
        gain = gain_of(curve(floor, scale, exponent), 1600, 3200)
        true = scale * (1600**-exponent - 3200**-exponent)
        assert gain.expected == pytest.approx(true, rel=0.3, abs=0.01)
        assert gain.low <= true <= gain.high

    @pytest.mark.parametrize("errors", [(0.3, 0.25, 0.23), (0.4, 0.33, 0.31, 0.28, 0.27)])
    def test_gain_is_that_of_the_law_integrated_by_brute_force(
        self, errors: tuple[float, ...]
    ) -> None:
        n, m = 1000, 100.0 * np.arange(1, len(errors) + 1)
        rates = (np.array(errors) * n + 0.5) / (n + 1)
        floors, scales = np.meshgrid((np.arange(100) + 0.5) / 250, (np.arange(100) + 0.5) / 250)
        total = mean = 0.0
        for noise in TRAINING_NOISE:
            sigma = np.sqrt(rates * (1 - rates) * (1 / n + noise**2))
            for exponent in EXPONENTS:
                likelihood = np.ones_like(floors)
                for labels, error, s in zip(m, errors, sigma, strict=True):
                    law = floors + scales * (labels / m[-1]) ** -exponent
                    likelihood *= np.exp(-0.5 * ((error - law) / s) ** 2) / s
                ahead = 1 - ((m[-1] + 100) / m[-1]) ** -exponent
                total += likelihood.sum()
                mean += (likelihood * scales * ahead).sum()
        points = [
            CurvePoint(int(labels), Share(round(n * (1 - e)), n))
            for labels, e in zip(m, errors, strict=True)
        ]
        gain = gain_of(points, int(m[-1]), int(m[-1]) + 100)
        assert gain.expected == pytest.approx(mean / total, rel=0.1)

    @pytest.mark.parametrize("n_rounds", [3, 4, 6])
    def test_interval_covers_the_gain_that_trainings_show(self, n_rounds: int) -> None:
        n, covered, mean_covered, repetitions = 2000, 0, 0, 0
        labels = 100 * np.arange(1, n_rounds + 2)
        for seed in range(80):
            rng = np.random.default_rng(seed)
            floor, exponent = rng.uniform(0, 0.15), rng.choice([0.2, 0.35, 0.5, 0.8, 1.2])
            mean = floor + (rng.uniform(0.25, 0.6) - floor) * (labels / 100) ** -exponent
            noise = 0.03 * np.sqrt(mean * (1 - mean))  # from one training to the next
            errors = mean + noise * rng.standard_normal(len(labels))
            points = [
                CurvePoint(int(m), Share(n - int(rng.binomial(n, e)), n))
                for m, e in zip(labels[:-1], errors, strict=False)
            ]
            gain = expected_gain(points, int(labels[-2]), int(labels[-1]), rng)
            if gain is not None:
                repetitions += 1
                covered += gain.low <= errors[-2] - errors[-1] <= gain.high
                mean_covered += mean[-2] - mean[-1] <= gain.mean_high
        assert repetitions >= 50
        assert covered / repetitions >= 0.95 - 2 * (0.95 * 0.05 / repetitions) ** 0.5
        assert mean_covered / repetitions >= 0.85

    @pytest.mark.parametrize(
        "errors",
        [
            (0.485, 0.394, 0.141),  # digits, 80 labels a round: the next ones were 0.070, 0.060
            (0.485, 0.394, 0.141, 0.070, 0.060, 0.024, 0.034),
            (0.5, 0.45, 0.3, 0.1),
        ],
    )
    def test_nothing_is_foretold_while_the_error_falls_faster_than_the_law(
        self, errors: tuple[float, ...]
    ) -> None:
        points = [
            CurvePoint(80 * (i + 1), Share(round(497 * (1 - error)), 497))
            for i, error in enumerate(errors)
        ]
        assert falls_faster(points)
        n = points[-1].n_labels
        assert expected_gain(points, n, n + 80, np.random.default_rng(0)) is None
        advice = advise(StopRule(), Evidence([], None, 80, falls_faster=True))
        assert "falls faster" in advice.reasons[1]

    @settings(max_examples=30)
    @given(st.floats(0, 0.2), st.floats(1, 5), st.floats(0.2, 1.2))
    def test_no_curve_of_the_law_falls_faster_than_it(
        self, floor: float, scale: float, exponent: float
    ) -> None:
        assert not falls_faster(curve(floor, min(scale, 0.7 * 100**exponent), exponent))

    @settings(max_examples=30)
    @given(
        st.lists(
            st.tuples(st.integers(1, 10**6), st.integers(1, 500), st.floats(0, 1)), max_size=8
        ),
        st.integers(0, 10**6),
        st.integers(1, 10**6),
    )
    def test_any_measurements_give_a_gain_that_is_not_negative(
        self, drawn: list[tuple[int, int, float]], n_from: int, step: int
    ) -> None:
        points = [CurvePoint(m, Share(round(share * n), n)) for m, n, share in drawn]
        gain = expected_gain(points, n_from, n_from + step, np.random.default_rng(0))
        if len({m for m, _, _ in drawn}) < 3 or falls_faster(points):
            assert gain is None
            return
        assert gain is not None
        assert -1 <= gain.low <= gain.expected <= gain.high <= 1
        assert 0 <= gain.expected <= gain.mean_high <= 1

    def test_numbers_of_labels_that_hardly_differ_give_a_gain_too(self) -> None:
        for first in (10**6, 2**40):
            points = [CurvePoint(first + i, Share(90 + i, 100)) for i in range(3)]
            gain = gain_of(points, first + 2, first + 3)
            assert -1 <= gain.low <= gain.expected <= gain.high <= 1

    def test_fewer_evaluation_items_give_a_wider_interval(self) -> None:
        few = gain_of(curve(0.05, 2.0, 0.6, n=200), 1600, 3200)
        many = gain_of(curve(0.05, 2.0, 0.6, n=20_000), 1600, 3200)
        assert few.high - few.low > 1.5 * (many.high - many.low)

    def test_trainings_that_vary_more_than_binomial_noise_widen_it(self) -> None:
        smooth = curve(0.05, 2.0, 0.6, n=20_000)
        rough = [
            CurvePoint(p.n_labels, Share(p.accuracy.n_right + (-1) ** i * 300, p.accuracy.n))
            for i, p in enumerate(smooth)
        ]
        narrow, wide = gain_of(smooth, 1600, 3200), gain_of(rough, 1600, 3200)
        assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


SMALL = Gain(100, 200, 0.001, -0.01, 0.012, 0.004)
LARGE = Gain(100, 200, 0.02, 0.001, 0.03, 0.025)


class TestVerdict:
    @pytest.mark.parametrize(
        ("kappas", "gain", "verdict"),
        [
            ([0.995, 0.991, 0.99], SMALL, Verdict.STOP),
            ([0.995, 0.991, 0.99], LARGE, Verdict.CONSIDER_STOPPING),
            ([0.995, 0.991, 0.99], None, Verdict.CONSIDER_STOPPING),
            ([0.99, 0.98, 0.99], SMALL, Verdict.CONSIDER_STOPPING),
            ([0.99, None, 0.99], LARGE, Verdict.CONTINUE),
            ([0.99, 0.99], None, Verdict.CONTINUE),
            ([], None, Verdict.CONTINUE),
        ],
    )
    def test_rests_on_both_signals(
        self, kappas: list[float | None], gain: Gain | None, verdict: Verdict
    ) -> None:
        assert advise(StopRule(), Evidence(kappas, gain, 10)).verdict == verdict

    def test_spent_budget_says_stop(self) -> None:
        advice = advise(StopRule(), Evidence([], None, 0))
        assert advice.verdict is Verdict.STOP
        assert "budget is spent" in advice.reasons[0]

    @given(
        st.lists(st.one_of(st.none(), st.floats(-1, 1)), max_size=6),
        st.floats(0, 1),
        st.integers(1, 4),
    )
    def test_stable_means_each_of_the_last_rounds(
        self, kappas: list[float | None], kappa: float, rounds: int
    ) -> None:
        run = 0
        for value in kappas:
            run = run + 1 if value is not None and value >= kappa else 0
        assert is_stable(kappas, kappa, rounds) == (run >= rounds)

    def test_every_part_of_the_rule_must_hold(self) -> None:
        both = StopRule(kappa=0.9, rounds=2, gain=0.005)
        assert should_stop(both, Evidence([0.9, 0.95], SMALL, 10))
        assert not should_stop(both, Evidence([0.9, 0.95], LARGE, 10))
        assert not should_stop(both, Evidence([0.9, 0.95], None, 10))
        assert not should_stop(both, Evidence([0.8, 0.95], SMALL, 10))
        assert should_stop(StopRule(gain=0.005), Evidence([], SMALL, 10))
        assert not should_stop(StopRule(), Evidence([1.0] * 9, SMALL, 10))

    def test_what_is_not_allowed_is_refused(self) -> None:
        for values in ({"kappa": 1.5}, {"rounds": 0}, {"gain": "small"}, {"gains": 0.1}):
            with pytest.raises(SettingError):
                from_json(StopRule, values)


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
        model = TrainedFacts("fasttext", {}, "r", "w", n_labeled, metrics, {}, {})
        ranked = [RankedItem(i, -float(i), i % 2, 0.9, is_control=i % 4 == 0) for i in range(60)]
        stability = {"round": 0, "n": 50, "agreement": 0.9, "kappa": kappa} if kappa else {}
        selection = Selection(
            ranked, n_labeled, {}, "0", model, predictions_hash="p", stability=stability
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
