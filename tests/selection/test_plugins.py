"""Strategies that installed packages bring by the entry point group `svp.strategies`."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from selection.catalog import (
    PLUGIN_GROUP,
    Purpose,
    Signal,
    find_strategy,
    known_strategies,
    needed_of,
    needs_model,
)
from selection.errors import MissingSignalError, SelectionError, UnknownStrategyError
from selection.options import SelectionOptions, needs_proxy
from selection.rank import rank
from selection.types import Signals
from tests.plugins import forget_installed, lay_out

CATALOG = """
    from selection.catalog import Purpose, Signal, StrategyInfo

    def info(name, code, needs=frozenset(), **more):
        return StrategyInfo(name, name, "A test.", f"{package}.ranking:{{code}}", needs, **more)

    first_feature = info("first_feature", "by_first_feature", frozenset({{Signal.FEATURES}}))
    cutting = info("cutting", "by_first_feature", purposes=frozenset({{Purpose.CORE_SET}}))
    margin = info("margin", "by_first_feature")
    lost = info("lost", "nowhere")
    too_few, too_high, negative, fractions, a_pair = (
        info(name, name) for name in ("too_few", "too_high", "negative", "fractions", "a_pair")
    )
    watched = info("watched", "by_watch", takes_watch=True)
    no_strategy = 3
"""
RANKING = """
    import numpy as np

    from selection.types import Ranking

    def by_first_feature(signals, budget, rng):
        return Ranking.of_highest(signals.features[:, 0].astype(np.float64), budget)

    def by_watch(signals, budget, rng, watch):
        watch.report(budget, budget)
        return Ranking(np.arange(budget), np.zeros(budget))

    def returning(ranking):
        return lambda signals, budget, rng: ranking

    too_few = returning(Ranking(np.arange(1), np.zeros(1)))
    too_high = returning(Ranking(np.array([0, 3]), np.zeros(2)))
    negative = returning(Ranking(np.array([-1, 1]), np.zeros(2)))
    fractions = returning(Ranking(np.array([0.0, 1.0]), np.zeros(2)))
    a_pair = returning((np.arange(2), np.zeros(2)))
"""
PACKAGE = "svp_test_strategies"
Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package that brings the strategy of this name, by default as it says itself."""
    monkeypatch.syspath_prepend(tmp_path)

    def install_package(name: str, target: str = "", package: str = PACKAGE) -> Path:
        target = target or f"{package}.catalog:{name}"
        lay_out(
            tmp_path,
            package,
            (PLUGIN_GROUP, name, target),
            {"catalog": dedent(CATALOG), "ranking": dedent(RANKING)},
        )
        return tmp_path

    yield install_package
    for module in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[module]
    forget_installed()


class TestPlugins:
    def test_brought_strategy_ranks_by_its_name(self, install: Install) -> None:
        features = np.array([[0.1], [0.9], [0.5]])
        with pytest.raises(UnknownStrategyError, match="first_feature"):
            rank("first_feature", Signals(3, features=features), 2, np.random.default_rng(0))
        install("first_feature")
        ranking = rank("first_feature", Signals(3, features=features), 2, np.random.default_rng(0))
        assert ranking.rows.tolist() == [1, 2]
        with pytest.raises(MissingSignalError, match="features"):
            rank("first_feature", Signals(3), 2, np.random.default_rng(0))

    def test_it_says_itself_what_it_needs_and_what_it_is_for(self, install: Install) -> None:
        install("first_feature")
        assert needed_of("first_feature") == {Signal.FEATURES}
        assert needs_model("first_feature")
        assert "first_feature" in known_strategies(Purpose.BATCH)
        assert "first_feature" not in known_strategies(Purpose.CORE_SET)
        with pytest.raises(SelectionError, match=r"first_feature selects no core-sets.*uniform"):
            find_strategy("first_feature", Purpose.CORE_SET)

    def test_it_may_be_for_core_sets_alone(self, install: Install) -> None:
        install("cutting")
        assert "cutting" in known_strategies(Purpose.CORE_SET)
        with pytest.raises(SelectionError, match="cutting selects no batches"):
            find_strategy("cutting", Purpose.BATCH)
        with pytest.raises(ValueError, match="not 'cutting'"):
            SelectionOptions(cold_start="cutting").check_cold_start()

    def test_one_on_features_can_be_a_cold_start(self, install: Install) -> None:
        options = SelectionOptions(cold_start="first_feature")
        with pytest.raises(ValueError, match="not 'first_feature'"):
            options.check_cold_start()
        install("first_feature")
        options.check_cold_start()
        assert options.needs_brought_features
        assert needs_proxy("first_feature", options)

    def test_one_that_needs_nothing_starts_without_features(self, install: Install) -> None:
        install("watched")
        options = SelectionOptions(cold_start="watched")
        options.check_cold_start()
        assert not options.needs_brought_features

    def test_one_that_takes_a_watch_gets_one(self, install: Install) -> None:
        install("watched")
        assert len(rank("watched", Signals(3), 2, np.random.default_rng(0)).rows) == 2

    def test_the_catalog_finds_it_without_its_code(self, install: Install) -> None:
        folder = install("first_feature")
        script = (
            f"import sys; sys.path.insert(0, {str(folder)!r});"
            "from selection.catalog import find_strategy;"
            "assert find_strategy('first_feature').title == 'first_feature';"
            f"assert '{PACKAGE}.catalog' in sys.modules;"
            f"assert not {{'{PACKAGE}.ranking', 'numpy', 'numba'}} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", script], check=True)

    def test_one_that_does_not_load_is_named_and_stops_no_other(self, install: Install) -> None:
        install("first_feature", "module_that_is_not_there:first_feature")
        with pytest.raises(SelectionError, match=r"'first_feature' of .* does not load"):
            find_strategy("first_feature")
        assert "first_feature" not in known_strategies()
        assert "margin" in known_strategies()
        assert needs_model("first_feature"), "the job that selects with it says what is wrong"

    def test_name_of_ours_is_refused(self, install: Install) -> None:
        install("margin")
        with pytest.raises(SelectionError, match="built-in"):
            find_strategy("margin")

    def test_two_packages_of_one_name_are_refused(self, install: Install) -> None:
        install("first_feature")
        install("first_feature", package=f"{PACKAGE}_too")
        with pytest.raises(SelectionError, match=f"than one package: {PACKAGE}, {PACKAGE}_too"):
            find_strategy("first_feature")

    @pytest.mark.parametrize("target", ["no_strategy", "first_feature"])
    def test_what_is_no_strategy_of_that_name_is_refused(
        self, install: Install, target: str
    ) -> None:
        install("odd", f"{PACKAGE}.catalog:{target}")
        with pytest.raises(SelectionError, match=r"catalog\.StrategyInfo of that name, not "):
            find_strategy("odd")

    def test_code_that_is_not_there_names_the_strategy(self, install: Install) -> None:
        install("lost")
        with pytest.raises(SelectionError, match=rf"Strategy lost .*{PACKAGE}\.ranking:nowhere"):
            rank("lost", Signals(3), 2, np.random.default_rng(0))

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
        install(name)
        with pytest.raises(SelectionError, match=f"Strategy {name} {said}"):
            rank(name, Signals(3), 2, np.random.default_rng(0))
