"""Strategies that installed packages bring by the entry point group `svp.strategies`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from selection.catalog import Purpose, installed_points, known_strategies, needs_model
from selection.errors import MissingSignalError, SelectionError, UnknownStrategyError
from selection.registry import find_strategy, rank
from selection.types import Signals

MODULE = """
import numpy as np

from selection.catalog import Signal
from selection.registry import Strategy
from selection.types import Ranking

def rank(signals, budget, rng):
    scores = signals.features[:, 0].astype(np.float64)
    rows = np.argsort(-scores, kind="stable")[:budget]
    return Ranking(rows, scores[rows])

first_feature = Strategy(frozenset({Signal.FEATURES}), rank)
no_strategy = 3

def returning(ranking):
    return Strategy(frozenset(), lambda signals, budget, rng: ranking)

too_few = returning(Ranking(np.arange(1), np.zeros(1)))
too_high = returning(Ranking(np.array([0, 3]), np.zeros(2)))
negative = returning(Ranking(np.array([-1, 1]), np.zeros(2)))
fractions = returning(Ranking(np.array([0.0, 1.0]), np.zeros(2)))
a_pair = returning((np.arange(2), np.zeros(2)))
"""

Install = Callable[[str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package with one entry point, "name = module:object"."""

    def install_package(entry_point: str) -> None:
        info = tmp_path / "brought-1.0.dist-info"
        info.mkdir()
        (tmp_path / "brought_strategies.py").write_text(MODULE)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brought\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[svp.strategies]\n{entry_point}\n")
        monkeypatch.syspath_prepend(tmp_path)
        installed_points.cache_clear()

    yield install_package
    installed_points.cache_clear()


class TestPlugins:
    def test_brought_strategy_ranks_by_its_name(self, install: Install) -> None:
        features = np.array([[0.1], [0.9], [0.5]])
        with pytest.raises(UnknownStrategyError, match="first_feature"):
            rank("first_feature", Signals(3, features=features), 2, np.random.default_rng(0))
        install("first_feature = brought_strategies:first_feature")
        ranking = rank("first_feature", Signals(3, features=features), 2, np.random.default_rng(0))
        assert ranking.rows.tolist() == [1, 2]
        with pytest.raises(MissingSignalError, match="features"):
            rank("first_feature", Signals(3), 2, np.random.default_rng(0))

    def test_api_knows_its_name_without_loading_it(self, install: Install) -> None:
        install("first_feature = module_that_is_not_there:first_feature")
        assert "first_feature" in known_strategies()
        assert "first_feature" not in known_strategies(Purpose.CORE_SET)
        assert needs_model("first_feature")

    def test_name_of_ours_is_refused(self, install: Install) -> None:
        install("margin = brought_strategies:first_feature")
        with pytest.raises(SelectionError, match="built-in"):
            find_strategy("margin")

    def test_what_is_no_strategy_is_refused(self, install: Install) -> None:
        install("odd = brought_strategies:no_strategy")
        with pytest.raises(SelectionError, match=r"registry\.Strategy, not int"):
            find_strategy("odd")

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("too_few", r"must return 2 whole numbers as rows, not int64 \[1\]"),
            ("too_high", r"returned row 3; rows are 0\.\.2"),
            ("negative", "returned row -1"),
            ("fractions", "must return 2 whole numbers as rows, not float64"),
            ("a_pair", "must return a selection.types.Ranking, not tuple"),
        ],
    )
    def test_ranking_that_is_none_of_the_pool_names_the_strategy(
        self, install: Install, name: str, said: str
    ) -> None:
        install(f"{name} = brought_strategies:{name}")
        with pytest.raises(SelectionError, match=f"Strategy {name} {said}"):
            rank(name, Signals(3), 2, np.random.default_rng(0))
