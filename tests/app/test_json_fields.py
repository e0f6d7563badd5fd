"""Settings that are sent as JSON: what is not allowed is refused with the rule."""

import pytest

from app.domain.json_fields import SettingError, from_json
from selection.options import CandidateKind, Candidates, FeatureSource, SelectionOptions


class TestSelectionOptions:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"duplicate_similarity": 0.0}, "duplicate_similarity"),
            ({"control_fraction": 1.0}, "control_fraction"),
            ({"control_fraction": -0.1}, "control_fraction"),
            ({"candidates": {"kind": "neighbours", "n": 0}}, "greater than or equal to 1"),
            ({"candidates": {"kind": "far", "n": 3}}, "far"),
            ({"candidates": {"n": 3}}, "kind"),
            ({"measure_recall": True}, "set candidates"),
            ({"balance": True}, "class_balance"),
            ({"class_balance": "no"}, "class_balance must be a valid boolean, not 'no'"),
            ({"measure_recall": 1}, "measure_recall must be a valid boolean"),
            ({"control_fraction": "0.1"}, "control_fraction must be a valid number, not '0.1'"),
            ({"control_fraction": None}, "control_fraction must be a valid number"),
            ({"control_fraction": float("nan")}, "control_fraction must be less than 1"),
            ({"duplicate_similarity": True}, "duplicate_similarity must be a valid number"),
            ({"candidates": {"kind": "uniform", "n": "5"}}, "n must be a valid integer, not '5'"),
            ({"candidates": {"kind": "uniform", "n": 2.5}}, "n must be a valid integer"),
            ({"candidates": {"kind": [], "n": 2}}, "candidates.kind must be"),
            ({"candidates": 5}, "candidates must be an object"),
            ({"features": []}, "features must be"),
            ({"cold_start": ["uniform"]}, "cold_start must be a valid string"),
        ],
    )
    def test_bad_option_is_an_error_that_says_what_to_do(
        self, options: dict[str, object], said: str
    ) -> None:
        with pytest.raises(SettingError, match=said):
            from_json(SelectionOptions, options)

    def test_options_survive_json(self) -> None:
        options = SelectionOptions(
            class_balance=True,
            duplicate_similarity=0.95,
            control_fraction=0.1,
            candidates=Candidates(CandidateKind.NEIGHBOURS, 50),
            features=FeatureSource.BROUGHT,
            cold_start="typiclust",
        )
        assert from_json(SelectionOptions, options.to_json()) == options
