"""The map keeps what PCA keeps: its plane, its scale, and the same picture each time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.steps.feature_map import project_features


@given(st.integers(0, 2**31), st.integers(2, 40), st.integers(1, 12))
def test_places_are_within_reach_and_the_same_each_time(seed: int, n: int, d: int) -> None:
    features = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    drawn = project_features(features)
    assert drawn.xy.shape == (n, 2)
    assert np.abs(drawn.xy).max() == pytest.approx(1)
    np.testing.assert_array_equal(drawn.xy, project_features(features).xy)


def test_the_widest_direction_lies_along_x() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(500, 5)) * [1, 9, 1, 3, 1]
    drawn = project_features(features.astype(np.float32))
    assert abs(np.corrcoef(drawn.xy[:, 0], features[:, 1])[0, 1]) > 0.99
    assert abs(np.corrcoef(drawn.xy[:, 1], features[:, 3])[0, 1]) > 0.99
    assert drawn.explained[0] == pytest.approx(81 / 93, abs=0.05)


def test_items_that_are_all_the_same_lie_in_one_place() -> None:
    drawn = project_features(np.ones((5, 3), np.float32))
    assert not drawn.xy.any()
    assert drawn.explained == (0, 0)
