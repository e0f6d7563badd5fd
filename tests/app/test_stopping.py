"""Stopping rules and verdicts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.json_fields import SettingError, from_json
from app.domain.learning_curve import Gain
from app.domain.stopping import Evidence, StopRule, Verdict, advise, is_stable, should_stop

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
