"""Triggers: when a round ends before its batch is labeled."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.json_fields import SettingError, from_json
from app.domain.triggers import EndReason, RoundProgress, Trigger


class TestTriggerReason:
    @given(st.integers(0, 50), st.integers(1, 50), st.floats(0.01, 0.99))
    def test_share_ends_the_round_at_the_first_label_that_reaches_it(
        self, n_labeled: int, n_open: int, fraction: float
    ) -> None:
        trigger = Trigger(retrain_fraction=fraction)
        reason = trigger.reason(RoundProgress(n_labeled, n_open, n_labeled, 0))
        share = n_labeled / (n_labeled + n_open)
        if abs(share - fraction) > 1e-6:
            assert (reason is EndReason.FRACTION) == (share > fraction and n_labeled > 0)

    @given(st.floats(0, 100), st.integers(0, 5), st.integers(1, 5))
    def test_time_waits_for_enough_new_labels(
        self, seconds: float, n_new: int, min_new: int
    ) -> None:
        trigger = Trigger(retrain_after_seconds=60, min_new_labels=min_new)
        reason = trigger.reason(RoundProgress(0, 9, n_new, seconds))
        assert (reason is EndReason.TIME) == (seconds >= 60 and n_new >= min_new)

    def test_a_plain_trigger_waits_for_the_whole_batch(self) -> None:
        assert not Trigger().may_end_early
        assert Trigger().reason(RoundProgress(9, 1, 9, 1e9)) is None

    @pytest.mark.parametrize(
        "values",
        [
            {"retrain_fraction": 0},
            {"retrain_fraction": "half"},
            {"retrain_fraction": float("nan")},
            {"retrain_after_seconds": 0},
            {"min_new_labels": 1.5},
            {"min_new_labels": True},
            {"retrain_at": 3},
        ],
    )
    def test_what_is_not_allowed_is_refused(self, values: dict[str, Any]) -> None:
        with pytest.raises(SettingError, match=r"must be|There is no retrain_at; known are"):
            from_json(Trigger, values)
