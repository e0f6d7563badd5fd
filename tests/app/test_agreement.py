"""Agreement and consensus against the libraries' slow definitions."""

from collections import Counter

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score

from app.domain.agreement import (
    ClassCounts,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
    wilson_interval,
)
from app.domain.annotation import AnnotationOptions, labels_wanted
from app.domain.consensus import decide, resolve

LABELS = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=5), min_size=1, max_size=12)
CLASSES = st.lists(st.integers(0, 3), max_size=6)


def counts_of(items: list[list[int]]) -> ClassCounts:
    counts = ClassCounts()
    for labels in items:
        m, by_class = len(labels), Counter(labels)
        if m < 2:
            continue
        counts.add(
            ClassCounts(
                1,
                dict(by_class),
                {c: n * (n - 1) / (m - 1) for c, n in by_class.items()},
                sum(n * (n - 1) for n in by_class.values()) / (m * (m - 1)),
            )
        )
    return counts


class TestAgreement:
    @given(LABELS)
    def test_alpha_is_krippendorffs(self, items: list[list[int]]) -> None:
        table = np.array([[labels.count(c) for c in range(4)] for labels in items])
        shared = table[table.sum(axis=1) >= 2]
        alpha = krippendorff_alpha(counts_of(items))
        if (shared.sum(axis=0) > 0).sum() < 2:
            assert alpha is None
            return
        expected = krippendorff.alpha(value_counts=table, level_of_measurement="nominal")
        assert alpha == pytest.approx(expected)

    @given(st.lists(st.lists(st.integers(0, 2), min_size=3, max_size=3), min_size=2, max_size=10))
    def test_fleiss_kappa_by_its_definition(self, items: list[list[int]]) -> None:
        table = np.array([[labels.count(c) for c in range(3)] for labels in items])
        observed = ((table**2).sum(axis=1) - 3).mean() / 6
        by_chance = ((table.sum(axis=0) / table.sum()) ** 2).sum()
        kappa = fleiss_kappa(counts_of(items))
        if by_chance == 1:
            assert kappa is None
        else:
            assert kappa == pytest.approx((observed - by_chance) / (1 - by_chance))

    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
    def test_cohens_kappa_is_scikit_learns(self, pairs: list[tuple[int, int]]) -> None:
        kappa = cohen_kappa(Counter(pairs))
        first, second = ([p[side] for p in pairs] for side in (0, 1))
        if len({*first, *second}) == 1:
            assert kappa is None
        else:
            assert kappa == pytest.approx(cohen_kappa_score(first, second))

    @given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
    def test_interval_is_wilsons(self, trials: tuple[int, int]) -> None:
        expected = binomtest(*trials).proportion_ci(method="wilson")
        assert wilson_interval(*trials) == pytest.approx((expected.low, expected.high), abs=1e-9)


class TestDecide:
    @given(CLASSES, st.integers(1, 4), st.integers(0, 3), st.floats(0, 1), st.booleans())
    def test_it_waits_resolves_or_asks_for_one_more(
        self, classes: list[int], wanted: int, more: int, least: float, adjudicators: bool
    ) -> None:
        decision = decide(classes, wanted, wanted + more, least, may_adjudicate=adjudicators)
        if len(classes) < wanted:
            assert decision.n_more == wanted - len(classes)
            return
        counts = sorted(Counter(classes).values(), reverse=True)
        agreed = counts[0] / len(classes) >= least and counts[:1] != counts[1:2]
        if agreed or (len(classes) >= wanted + more and not adjudicators):
            assert decision.class_index == resolve(classes, wanted)
        elif len(classes) < wanted + more:
            assert (decision.class_index, decision.n_more) == (None, 1)
        else:
            assert decision.class_index is None
            assert decision.wants_adjudicator

    def test_an_adjudicator_decides(self) -> None:
        decision = decide([0, 0, 1], 3, 3, 1.0, may_adjudicate=True, adjudicated=1)
        assert decision.class_index == 1
        assert decision.agreement == pytest.approx(2 / 3)


@given(st.integers(0, 2**31), st.floats(0, 1))
def test_a_share_of_the_items_is_drawn_by_seed_and_index(seed: int, fraction: float) -> None:
    options = AnnotationOptions(overlap_fraction=fraction)
    wanted = [labels_wanted(options, 3, seed, index) for index in range(400)]
    assert wanted == [labels_wanted(options, 3, seed, index) for index in range(400)]
    assert set(wanted) <= {1, 3}
    assert abs(wanted.count(3) / 400 - fraction) < 0.15
