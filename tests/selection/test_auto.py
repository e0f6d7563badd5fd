"""Strategy auto: what it takes; stratified samples; batches drawn by a power of scores."""

import numpy as np
import pytest

from selection.auto import Phase, choose, switch_point
from selection.catalog import STRATEGIES
from selection.errors import SelectionError
from selection.options import SelectionOptions
from selection.power import drawn_by_power
from selection.rank import rank
from selection.select import Pool, SelectionRequest, select
from selection.stratified import stratified
from selection.types import ProxyAccuracy, Ranking, Signals


def streams(purpose: str) -> np.random.Generator:
    return np.random.default_rng([3, *purpose.encode()])


def made_signals(n_right: int, n: int = 100) -> Signals:
    rng = np.random.default_rng(1)
    accuracy = ProxyAccuracy(n_right, n)
    return Signals(60, rng.dirichlet(np.ones(4), 60), rng.normal(size=(60, 3)), accuracy=accuracy)


class TestChoice:
    @pytest.mark.parametrize(
        ("has_features", "strategy"), [(True, "typiclust"), (False, "uniform")]
    )
    def test_without_a_proxy_it_takes_typical_items_where_features_are_there(
        self, has_features: bool, strategy: str
    ) -> None:
        chosen = choose(None, 4, has_proxy=False, has_features=has_features)
        assert (chosen.phase, chosen.strategy) == (Phase.START, strategy)

    @pytest.mark.parametrize(
        ("n_right", "n", "phase"),
        [
            (30, 100, Phase.SPREAD),
            (480, 1000, Phase.UNCERTAIN),
            (48, 100, Phase.SPREAD),  # its interval still holds the switch point
            (2, 2, Phase.SPREAD),
            (100, 100, Phase.UNCERTAIN),
            (0, 0, Phase.SPREAD),
        ],
    )
    def test_uncertainty_is_asked_once_the_interval_lies_above_the_switch_point(
        self, n_right: int, n: int, phase: Phase
    ) -> None:
        chosen = choose(ProxyAccuracy(n_right, n), 4, has_proxy=True, has_features=False)
        assert switch_point(4) == pytest.approx(0.4375)
        assert chosen.phase is phase

    def test_a_proxy_that_nobody_measured_is_never_trusted(self) -> None:
        assert choose(None, 2, has_proxy=True, has_features=True).phase is Phase.SPREAD

    @pytest.mark.parametrize(("n_right", "strategy"), [(20, "stratified"), (90, "margin")])
    def test_the_ranking_is_that_of_the_strategy_taken(self, n_right: int, strategy: str) -> None:
        signals = made_signals(n_right)
        found = rank("auto", signals, 10, np.random.default_rng(2))
        expected = rank(strategy, signals, 10, np.random.default_rng(2))
        np.testing.assert_array_equal(found.rows, expected.rows)


class TestStratified:
    def test_every_cluster_has_its_share(self) -> None:
        rng = np.random.default_rng(0)
        sizes = (300, 60, 240)
        clusters = np.repeat(np.arange(3), sizes)
        features = 50 * np.eye(3)[clusters] + rng.normal(size=(600, 3))
        for budget in (10, 20, 60):
            rows, scores = stratified(features, None, budget, np.random.default_rng(budget))
            shares = np.bincount(clusters[rows], minlength=3) / budget
            assert np.abs(shares - np.array(sizes) / 600).max() <= 3 / budget
            assert (np.diff(scores) <= 0).all()

    def test_clusters_with_labels_wait_for_the_others(self) -> None:
        rng = np.random.default_rng(0)
        corners = np.array([[50.0, 0.0], [0.0, 50.0]])
        features = np.repeat(corners, 100, axis=0) + rng.normal(size=(200, 2))
        labeled = corners[0] + rng.normal(size=(100, 2))
        rows, _ = stratified(features, labeled, 40, rng)
        assert (rows >= 100).mean() > 0.7

    def test_each_item_is_drawn_as_often_as_any_other(self) -> None:
        """The definition: a sample of the pool, whatever its density."""
        features = np.random.default_rng(0).normal(size=(40, 2)) ** 3
        counts = np.zeros(40)
        for seed in range(400):
            counts[stratified(features, None, 10, np.random.default_rng(seed))[0]] += 1
        assert abs(counts.mean() - 100) < 1e-9
        assert counts.min() > 55
        assert counts.max() < 145


class TestPower:
    def test_chances_follow_the_power_of_the_scores(self) -> None:
        whole = Ranking(np.array([2, 0, 1]), np.array([0.8, 0.4, 0.0]))
        rng = np.random.default_rng(0)
        for power, share in ((1.0, 2 / 3), (2.0, 4 / 5)):
            firsts = [drawn_by_power(whole, 2, power, rng).rows[0] for _ in range(3000)]
            assert np.mean(np.array(firsts) == 2) == pytest.approx(share, abs=0.04)
            assert 1 not in firsts, "a score of 0 comes last"

    def test_it_spreads_the_batch_of_any_strategy_that_scores_items(self) -> None:
        signals = made_signals(90)
        pool = Pool(signals.n, signals.take)
        for strategy in [name for name, info in STRATEGIES.items() if info.scores_items]:
            plain, drawn = (
                select(pool, SelectionRequest(strategy, 15, streams, SelectionOptions(power=power)))
                for power in (None, 1.0)
            )
            assert set(drawn.rows) != set(plain.rows)
            assert len(set(drawn.rows)) == 15

    def test_strategies_without_such_scores_refuse_it(self) -> None:
        with pytest.raises(ValueError, match=r"one by one: .*margin; k_centers does not"):
            SelectionOptions(power=1.0).check_strategy("k_centers")


class TestAccuracy:
    def test_the_interval_is_wilsons(self) -> None:
        from scipy.stats import binomtest  # noqa: PLC0415

        for n_right, n in ((0, 10), (7, 10), (10, 10), (620, 1000)):
            expected = binomtest(n_right, n).proportion_ci(0.95, "wilson").low
            assert ProxyAccuracy(n_right, n).low == pytest.approx(expected, abs=1e-6)

    def test_auto_without_it_says_what_is_missing(self) -> None:
        signals = Signals(3, np.full((3, 2), 0.5), np.ones((3, 2)))
        with pytest.raises(SelectionError, match="auto needs accuracy"):
            rank("auto", signals, 2, np.random.default_rng(0))
