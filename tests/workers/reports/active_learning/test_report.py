"""Active learning's report: Table 1's form, the paper beside ours or not, Figure 6's series."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from matplotlib.patches import Rectangle
from scipy import stats

from tests.workers.reports.made_up import active_learning_config, write_active_learning
from tests.workers.reports.reading import figure, rows_of, series, table
from workers.reports.document import Bold, Document
from workers.reports.paper_numbers import PaperSetting, active_learning, n_train
from workers.reports.report import document_of
from workers.simulation.active_learning.config import ActiveLearningConfig
from workers.simulation.config import ExperimentError
from workers.simulation.load import bundled

SELECTORS = {"proxy": "preact20", "target": "preact164", "uniform": "none"}
OFFSETS = {1: -0.001, 2: 0.0, 3: 0.001}
CUT = {"name": "cifar10", "n_pool": 40_000}


def near_the_paper(arm: str, n: int, seed: int) -> float:
    """Return errors whose mean is the paper's, with a std of 0.1 points."""
    strategy = "uniform" if arm == "uniform" else "least_confidence"
    printed = active_learning(PaperSetting("CIFAR10", strategy, SELECTORS[arm]), n).error
    return (0.5 if printed is None else printed.mean) + OFFSETS[seed]


def seconds(arm: str, n: int) -> float:
    return {"proxy": 1.0, "target": 7.0}[arm] * n / 100


@pytest.fixture
def document(tmp_path: Path) -> Callable[..., Document]:
    """Return the report of made-up runs with changed settings, on published or other files."""

    def make(files: str = "cifar10", cpu_share: float = 1.0, **changes: Any) -> Document:
        config = active_learning_config(**changes)
        folder = tmp_path / "run"
        write_active_learning(
            folder, config, near_the_paper, seconds=seconds, cpu_share=cpu_share, data=files
        )
        return document_of([folder])

    return make


class TestBesideThePaper:
    def test_ours_the_papers_and_the_difference_stand_below_each_other(
        self, document: Callable[..., Document]
    ) -> None:
        shown = table(document(), "Target error and data selection speed-up")
        assert list(shown.header[:6]) == [
            "arm",
            "strategy",
            "selector",
            "",
            "error at 10%",
            "error at 20%",
        ]
        ours, paper, minus = rows_of(shown, "proxy", "least_confidence", "preact20")
        assert ours[3:5] == ["ours", "18.1 ± 0.10"]
        assert paper[3:5] == ["paper", "18.1 ± 0.28"]
        assert minus[3] == "ours - paper"
        assert minus[4:9] == ["-"] * 5, "ours of the last epoch is not like theirs of the best"
        assert shown.note is not None
        assert "never the last epoch's" in shown.note
        assert ours[9:] == ["7.0x", "7.0x", "7.0x", "7.0x", "7.0x"]
        assert paper[9:] == ["3.8x", "5.8x", "6.7x", "7.0x", "7.2x"]
        assert minus[9:] == ["+3.2x", "+1.2x", "+0.3x", "+0.0x", "-0.2x"]

    def test_bold_follows_the_rule_for_ours_and_for_theirs(
        self, document: Callable[..., Document]
    ) -> None:
        shown = table(document(), "Target error")
        ours, paper, minus = rows_of(shown, "proxy", "least_confidence", "preact20")
        # Ours: the paper's means, every std 0.1: at 20% 10.5 against 10.4 is just within.
        assert [isinstance(cell, Bold) for cell in ours[9:]] == [True, True, True, True, True]
        assert [isinstance(cell, Bold) for cell in paper[9:]] == [True, True, True, True, False]
        assert not any(isinstance(cell, Bold) for cell in minus)

    def test_where_the_best_epoch_is_known_it_is_the_one_compared(
        self, document: Callable[..., Document]
    ) -> None:
        found = document(traps={"report_best_epoch": True})
        shown = table(found, "Target error")
        for arm in ("proxy", "target (B)"):
            ours, best, paper, minus = rows_of(shown, arm, "least_confidence")
            assert [row[3] for row in (ours, best, paper, minus)] == [
                "ours",
                "ours, best epoch",
                "paper",
                "ours - paper",
            ]
            assert float(best[8][:3]) == pytest.approx(float(ours[8][:3]) - 0.5)
            assert minus[8] == "-0.5"
        assert found.facts["as the published code"] == "report_best_epoch True"

    def test_the_title_stays_as_it_is(self, document: Callable[..., Document]) -> None:
        assert document().title == "CIFAR10, Table 1"

    @pytest.mark.parametrize(
        ("changes", "data", "reason"),
        [
            ({"data": CUT}, "cifar10", "small scale"),
            ({}, "cifar10 (modified)", "modified data"),
            (
                {
                    "models": {
                        "target": {"model": "preact164", "recipe": {"name": "fast"}},
                        "proxy": {"model": "preact20"},
                    }
                },
                "cifar10",
                "not the paper's settings",
            ),
        ],
    )
    def test_what_is_unlike_shows_no_paper_column_and_says_so_in_the_title(
        self, document: Callable[..., Document], changes: Any, data: str, reason: str
    ) -> None:
        found = document(data, **changes)
        assert found.title == f"CIFAR10, Table 1 ({reason})"
        shown = table(found, "Target error")
        assert not any("paper" in str(cell) for r in shown.rows for cell in r)
        assert not any("paper" in key for r in found.records["points"] for key in r)
        assert list(shown.header[:4]) == ["arm", "strategy", "selector", "error at 5,000"]

    def test_an_experiment_of_ones_own_is_not_called_unlike(
        self, document: Callable[..., Document]
    ) -> None:
        assert document(paper=None).title == "CIFAR10, Table 1"


class TestNumbers:
    def test_intervals_and_paired_differences_are_scipys(
        self, document: Callable[..., Document]
    ) -> None:
        points = document().records["points"]
        (proxy,) = (p for p in points if p["arm"] == "proxy" and p["labels"] == 25_000)
        ours = [near_the_paper("proxy", 25_000, seed) for seed in (1, 2, 3)]
        interval = stats.ttest_1samp(ours, 0).confidence_interval(0.95)
        assert proxy["error_low"] == pytest.approx(interval.low)
        assert proxy["error_high"] == pytest.approx(interval.high)
        assert proxy["minus_baseline"] == pytest.approx(0.054 - 0.053)
        assert proxy["minus_uniform"] == pytest.approx(0.054 - 0.075)
        assert proxy["minus_baseline_std"] == pytest.approx(0, abs=1e-9)  # paired by seed

    def test_speedup_counts_all_rounds_until_a_budget(self, tmp_path: Path) -> None:
        config = active_learning_config()
        # The target is 10 times slower in the first selection only.
        folder = write_active_learning(
            tmp_path / "run",
            config,
            near_the_paper,
            seconds=lambda arm, n: 10.0 if (arm, n) == ("target", 5_000) else 1.0,
        )
        points = document_of([folder]).records["points"]
        ratios = {p["labels"]: p.get("speedup") for p in points if p["arm"] == "proxy"}
        assert ratios[1_000] is None  # drawn uniformly: no model has selected yet
        assert ratios[5_000] == pytest.approx(10.0)
        assert ratios[25_000] == pytest.approx((10 + 4) / 5)

    def test_each_strategys_baseline_is_its_own_target(self, tmp_path: Path) -> None:
        arms = {
            "lc-proxy": {"selector": "proxy"},
            "lc-target": {"selector": "target"},
            "kc-proxy": {"selector": "proxy", "strategy": "k_centers"},
            "kc-target": {"selector": "target", "strategy": "k_centers"},
        }
        errors = {"lc-proxy": 0.12, "lc-target": 0.10, "kc-proxy": 0.25, "kc-target": 0.20}
        config = active_learning_config(arms=arms, baseline="lc-target")
        folder = write_active_learning(tmp_path / "run", config, lambda arm, *_: errors[arm])
        points = document_of([folder]).records["points"]
        minus = {p["arm"]: p.get("minus_baseline") for p in points if p["labels"] == 5_000}
        assert minus["lc-proxy"] == pytest.approx(0.02)
        assert minus["kc-proxy"] == pytest.approx(0.05)
        assert minus["lc-target"] is minus["kc-target"] is None

    def test_proxys_errors_stand_by_the_labels_it_was_trained_on(
        self, document: Callable[..., Document]
    ) -> None:
        selectors = document().records["selectors"]
        proxy = {s["labels"]: s["error"] for s in selectors if s["arm"] == "proxy"}
        assert list(proxy) == [1_000, 5_000, 10_000, 15_000, 20_000]
        assert proxy[5_000] == pytest.approx(0.181 + 0.02)


class TestBaseline:
    def test_the_reader_may_compare_all_arms_with_another(self, tmp_path: Path) -> None:
        errors = {"proxy": 0.12, "target": 0.10, "uniform": 0.15}
        folder = write_active_learning(
            tmp_path / "run", active_learning_config(), lambda arm, *_: errors[arm]
        )
        found = document_of([folder], "uniform")
        minus = {
            p["arm"]: p.get("minus_baseline")
            for p in found.records["points"]
            if p["labels"] == 25_000
        }
        assert minus["proxy"] == pytest.approx(-0.03)
        assert minus["target"] == pytest.approx(-0.05)
        assert minus["uniform"] is None
        assert rows_of(table(found, "Target error"), "uniform (B)", "uniform")

    def test_an_arm_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        folder = write_active_learning(tmp_path / "run", active_learning_config(), lambda *_: 0.1)
        with pytest.raises(ExperimentError, match=r"No arm 'guess' has run; choose one of proxy"):
            document_of([folder], "guess")


class TestMeanError:
    def test_it_is_the_mean_over_all_budgets_paired_by_seed(
        self, document: Callable[..., Document]
    ) -> None:
        (row,) = rows_of(table(document(), "Mean error over all budgets"), "proxy")
        points = active_learning_config().budgets.points()
        expected = sum(near_the_paper("proxy", n, 2) for n in points) / len(points)
        assert row[2] == f"{100 * expected:.1f}"


class TestRecipes:
    def test_every_model_stands_with_its_whole_recipe(
        self, document: Callable[..., Document]
    ) -> None:
        shown = table(document(), "Recipes in full")
        assert list(shown.header) == ["", "target", "proxy"]
        rows = {row[0]: row[1:] for row in shown.rows}
        assert rows["model"] == ["preact164", "preact20"]
        assert rows["epochs_per_stage"] == ["[1, 90, 45, 45]"] * 2

    def test_changed_settings_stand_in_the_command(self, tmp_path: Path) -> None:
        config = bundled()["digits"].model_copy(update={"seeds": [4]})
        assert isinstance(config, ActiveLearningConfig)
        folder = write_active_learning(tmp_path / "run", config, lambda *_: 0.1)
        assert document_of([folder]).facts["command"] == "svp simulate digits --set 'seeds=[4]'"


class TestFigure6:
    def test_axes_and_series_are_the_papers(self, document: Callable[..., Document]) -> None:
        (axes,) = figure(document(), "error-by-budget").axes
        assert axes.get_title() == "least confidence"
        assert axes.get_xlabel() == "budget [% of the data]"
        assert axes.get_ylabel() == "top-1 error [%]"
        lines = series(axes)
        proxy, target = "proxy: preact20 for preact164", "target: preact164 for itself"
        itself = "proxy: the proxy itself"
        assert set(lines) == {proxy, itself, target, "uniform, preact164"}
        assert lines[proxy].get_linestyle() == "-"
        assert lines[itself].get_linestyle() == ":"
        assert lines[proxy].get_ydata()[-1] == pytest.approx(5.4)
        assert list(lines[target].get_xdata()) == [2, 10, 20, 30, 40, 50]

    def test_each_strategy_of_several_selectors_has_its_panel_of_one_scale(
        self, tmp_path: Path
    ) -> None:
        arms = {
            "lc": {"selector": "proxy"},
            "lc-target": {"selector": "target"},
            "kc": {"selector": "proxy", "strategy": "k_centers"},
            "uniform": {"strategy": "uniform"},
        }
        folder = write_active_learning(
            tmp_path / "run", active_learning_config(arms=arms), lambda *_: 0.1
        )
        drawn = figure(document_of([folder]), "error-by-budget")
        assert [axes.get_title() for axes in drawn.axes] == ["least confidence", "greedy k-centers"]
        assert all("uniform, preact164" in series(axes) for axes in drawn.axes)
        assert len({axes.get_ylim() for axes in drawn.axes}) == 1

    def test_strategies_of_one_selector_each_stand_in_one_panel(self, tmp_path: Path) -> None:
        arms = {
            "lc": {"selector": "proxy"},
            "kc": {"selector": "proxy", "strategy": "k_centers"},
            "uniform": {"strategy": "uniform"},
        }
        config = active_learning_config(arms=arms, baseline="uniform")
        folder = write_active_learning(tmp_path / "run", config, lambda *_: 0.1)
        (axes,) = figure(document_of([folder]), "error-by-budget").axes
        assert {"lc: preact20 for preact164", "kc: preact20 for preact164"} <= set(series(axes))

    def test_an_arm_looks_the_same_in_every_picture(
        self, document: Callable[..., Document]
    ) -> None:
        found = document()
        (by_budget,) = figure(found, "error-by-budget").axes
        differences = figure(found, "differences-and-seconds").axes[0]
        first = series(by_budget)["proxy: preact20 for preact164"]
        assert first.get_color() == series(differences)["proxy"].get_color()

    def test_what_nothing_is_known_of_has_no_panel(self, tmp_path: Path) -> None:
        config = active_learning_config(arms={"uniform": {"strategy": "uniform"}})
        folder = write_active_learning(tmp_path / "run", config, lambda *_: 0.1)
        assert len(figure(document_of([folder]), "differences-and-seconds").axes) == 1

    def test_cut_data_has_labels_on_its_axis(self, document: Callable[..., Document]) -> None:
        (axes,) = figure(document(data=CUT), "error-by-budget").axes
        assert axes.get_xlabel() == "labels"

    def test_seconds_are_stacked_by_part(self, document: Callable[..., Document]) -> None:
        drawn = figure(document(), "differences-and-seconds")
        differences, bars = drawn.axes
        assert differences.get_ylabel() == "error minus the baseline's [points]"
        assert set(series(differences)) == {"proxy", "uniform"}
        assert [text.get_text() for text in bars.get_yticklabels()] == [
            "proxy",
            "target",
            "uniform",
        ]
        total = sum(seconds("target", n) for n in (5_000, 10_000, 15_000, 20_000, 25_000))
        second = [p for p in bars.patches if isinstance(p, Rectangle) and round(p.get_y()) == 1]
        assert sum(bar.get_width() for bar in second) == pytest.approx(total)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, config in bundled().items()
        if isinstance(config, ActiveLearningConfig)
        and config.paper is not None
        and config.data.n_pool is None
    ],
)
def test_every_arm_of_a_bundled_paper_experiment_finds_its_row_of_table_1(name: str) -> None:
    config = bundled()[name]
    assert isinstance(config, ActiveLearningConfig)
    assert config.paper is not None
    assert config.paper.table == "1"
    points = config.budgets.points()
    assert points[-1] == pytest.approx(n_train(config.paper.dataset) / 2, abs=1)
    for arm in config.arms:
        selector = config.selector_of(arm)
        model = "none" if selector is None else selector.model
        setting = PaperSetting(config.paper.dataset, config.strategy_of(arm), model)
        for n in points[1:]:
            number = active_learning(setting, n)
            assert number.error is not None, (arm, n)
            assert (number.speedup is None) == (model == "none")


class TestSharedMachine:
    def test_seconds_that_cpu_seconds_do_not_explain_are_marked(
        self, document: Callable[..., Document]
    ) -> None:
        shown = document(cpu_share=0.5)
        for name in ("Target error and data selection speed-up", "Data selection seconds"):
            assert "Shared machine: other work slowed a part" in table(shown, name).note
        proxy = next(
            row for row in table(shown, "Data selection seconds").rows if row[0] == "proxy"
        )
        assert "(shared machine)" in proxy[5]
        assert "7.0x in CPU seconds" in proxy[7]

    def test_seconds_that_cpu_seconds_explain_are_not(
        self, document: Callable[..., Document]
    ) -> None:
        seconds_by_part = table(document(cpu_share=0.8), "Data selection seconds")
        assert seconds_by_part.note == ""
        assert "shared" not in str(seconds_by_part.rows)
