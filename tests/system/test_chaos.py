"""Two minutes of random faults; the hour is `python -m tests.system.chaos --minutes 60`."""

import random
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.chaos.ledger import Ledger
from tests.system.chaos.prober import Outage, Window, unexplained
from tests.system.chaos.run import Plan, Run
from tests.system.chaos.services import UpService

KINDS = ("kill child", "stop child", "kill backend", "half-sent requests", "clock moved")


@pytest.fixture
def up() -> Iterator[UpService]:
    """`svp up`; SIGTERM (of `timeout`, of CI) ends it as Ctrl-C does, in order."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Not below pytest's folder: Postgres' socket lies in it, and its path may not be long.
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        service = UpService(Path(folder))
        yield service
        service.stop()
    signal.signal(signal.SIGTERM, before)


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.timeout(700)
def test_nothing_is_lost_and_nothing_stops_in_two_minutes_of_faults(up: UpService) -> None:
    plan = Plan(2, seed=1, kinds=KINDS, gap_seconds=(5, 15), total_budget=60)
    report = Run(plan, up).carry_out()
    assert report["problems"] == []
    assert report["labels"]["n_must_stand"] > 50
    assert sum(report["n_faults"].values()) >= 4


class TestLedger:
    def test_an_answer_leaves_one_state_and_a_lost_request_leaves_two(self) -> None:
        ledger = Ledger()
        ledger.ask((1, 2, "ada"), "a")
        assert ledger.standing[1, 2, "ada"] == {None, "a"}
        ledger.acknowledge((1, 2, "ada"), "a", at=0.0)
        assert ledger.standing[1, 2, "ada"] == {"a"}
        ledger.ask((1, 2, "ada"), None)
        assert ledger.standing[1, 2, "ada"] == {None, "a"}

    def test_answers_500_are_kept_and_503_are_only_counted(self) -> None:
        ledger = Ledger()
        ledger.note_server_error("here", 503, "busy")
        ledger.note_server_error("here", 500, "broken")
        assert ledger.server_errors == ["here: 500 broken"]
        assert ledger.counts == {"answers 503": 1, "answers 500": 1}


class TestUnexplained:
    def test_an_outage_within_the_grace_of_a_fault_is_explained(self) -> None:
        outage = Outage("live", 10, 27)
        assert unexplained([outage], [Window("kill api", 10, 12.5)]) == []

    def test_one_whose_request_was_on_its_way_when_the_fault_struck_is_explained(self) -> None:
        assert unexplained([Outage("live", 4, 21)], [Window("kill api", 10, 10)]) == []

    def test_one_that_outlasts_the_grace_is_not(self) -> None:
        outage = Outage("live", 10, 40)
        assert unexplained([outage], [Window("kill api", 10, 10)]) == [outage]
        assert outage.uncovered([Window("kill api", 10, 10)]) == 15

    def test_one_of_up_to_15_seconds_needs_no_explanation(self) -> None:
        assert unexplained([Outage("live", 10, 25)], []) == []

    def test_garbage_explains_no_outage(self) -> None:
        outage = Outage("live", 10, 27)
        assert unexplained([outage], [Window("garbage bodies", 10, 30)]) == [outage]

    def test_faults_before_and_after_it_do_not_explain_the_middle(self) -> None:
        windows = [Window("kill api", 0, 0), Window("kill worker", 60, 61)]
        assert Outage("live", 10, 70).uncovered(windows) == 50 - 15  # 15 to 50

    def test_any_order_of_overlapping_faults_covers_the_same(self) -> None:
        rng = random.Random(1)
        windows = [Window("kill api", s, s + rng.uniform(0, 9)) for s in (1.0, 20.0, 30.0, 80.0)]
        expected = Outage("live", 0, 100).uncovered(windows)
        rng.shuffle(windows)
        assert Outage("live", 0, 100).uncovered(windows) == expected
