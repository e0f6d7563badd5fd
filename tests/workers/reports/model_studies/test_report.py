"""Studies' report: Figures 3 to 5 and 8 to 13 as series and cells, and the numbers behind them."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from scipy import stats

from tests.workers.reports.made_up import Scores, study_config, write_study
from tests.workers.reports.reading import figure, rows_of, series, table
from workers.reports.document import Document
from workers.reports.report import document_of
from workers.simulation.config import ExperimentError

N_ITEMS = 60
N_CENTRES = 5
MODELS = {name: {"model": name} for name in ("preact20", "preact56", "preact164")}
EPOCHS = [10, 100, 181]
RANKED = ("forgetting_events", "entropy", "k_centers_rank")


def scores(model: str, seed: int, epoch: int) -> Scores:
    """Return scores that follow one hidden order, with less noise the longer a model trains."""
    hidden = np.random.default_rng(0).gamma(2.0, 2.0, N_ITEMS)
    noise = np.random.default_rng([seed, epoch, *model.encode()])
    seen = hidden + noise.normal(0, 20 / epoch, N_ITEMS)
    found = {
        "entropy": seen,
        "least_confidence": np.round(seen),  # ties
        "margin": seen + noise.normal(0, 0.5, N_ITEMS),
        "forgetting_events": np.where(hidden > 9, np.inf, np.round(np.abs(seen))),
    }
    if epoch == EPOCHS[-1]:
        ranks = np.argsort(np.argsort(-seen)).astype(np.float64)
        centres = noise.choice(N_ITEMS, N_CENTRES, replace=False)
        found["k_centers_rank"] = ranks + 1
        found["k_centers_rank"][centres] = 0
    return found


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    config = study_config(MODELS, record_epochs=EPOCHS[:-1])
    errors = {"preact20": 0.076, "preact56": 0.060, "preact164": 0.051}
    folder = tmp_path_factory.mktemp("study") / "run"
    return document_of([write_study(folder, config, scores, error=lambda m, e: errors[m] + 1 / e)])


def record(document: Document, coefficient: str, ranking: str, *pair: str) -> dict[str, float]:
    (found,) = (
        r
        for r in document.records["correlations"]
        if (r["coefficient"], r["ranking"], r["first"], r["second"])
        == (coefficient, ranking, *pair)
    )
    return dict(found)


class TestBetweenModels:
    def test_forgetting_events_are_compared_with_ties_and_those_never_learned_on_top(
        self, document: Document
    ) -> None:
        runs = {
            (model, seed): scores(model, seed, 181)["forgetting_events"]
            for model in MODELS
            for seed in (1, 2, 3)
        }
        finite = {key: np.where(np.isinf(some), 1e6, some) for key, some in runs.items()}
        expected = [
            stats.spearmanr(finite["preact20", a], finite["preact164", b]).statistic
            for a in (1, 2, 3)
            for b in (1, 2, 3)
            if a != b
        ]
        found = record(document, "spearman", "forgetting_events", "preact20", "preact164")
        assert found["mean"] == pytest.approx(np.mean(expected))
        assert found["mean_low"] < found["mean"] < found["mean_high"]
        assert found["mean_seeds"] == 3

    def test_first_centres_have_no_rank(self, document: Document) -> None:
        first, second = (scores("preact56", seed, 181)["k_centers_rank"] for seed in (1, 2))
        third = scores("preact56", 3, 181)["k_centers_rank"]
        expected = []
        for a, b in ((first, second), (first, third), (second, third)):
            both = (a > 0) & (b > 0)
            assert both.sum() < N_ITEMS - N_CENTRES
            expected.append(stats.spearmanr(a[both], b[both]).statistic)
        found = record(document, "spearman", "k_centers_rank", "preact56", "preact56")
        assert found["mean"] == pytest.approx(np.mean(expected))

    def test_pearson_is_over_what_both_learned(self, document: Document) -> None:
        def events(model: str, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
            return scores(model, seed, 181)["forgetting_events"]

        expected = []
        for a in (1, 2, 3):
            for b in (1, 2, 3):
                first, second = events("preact20", a), events("preact56", b)
                both = np.isfinite(first) & np.isfinite(second)
                if a != b:
                    expected.append(stats.pearsonr(first[both], second[both]).statistic)
        found = record(document, "pearson", "forgetting_events", "preact20", "preact56")
        assert found["mean"] == pytest.approx(np.mean(expected))

    def test_figure_3_has_a_panel_a_ranking_and_the_models_on_both_axes(
        self, document: Document
    ) -> None:
        drawn = figure(document, "spearman-between-models")
        shown = [axes for axes in drawn.axes if axes.get_title()]
        titles = [axes.get_title() for axes in shown]
        assert titles == ["forgetting events", "entropy", "greedy k-centers"]
        for ranking, axes in zip(RANKED, shown, strict=True):
            for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
                assert [text.get_text() for text in labels] == ["preact20", "preact56", "preact164"]
            mean = record(document, "spearman", ranking, "preact20", "preact164")["mean"]
            assert cell(axes, 0, 2) == cell(axes, 2, 0) == f"{mean:.2f}"

    def test_figure_13_has_forgetting_events_and_entropy(self, document: Document) -> None:
        drawn = figure(document, "pearson-between-models")
        titles = [axes.get_title() for axes in drawn.axes if axes.get_title()]
        assert titles == ["forgetting events", "entropy"]

    def test_the_table_holds_every_pair_once_with_its_interval(self, document: Document) -> None:
        shown = table(document, "Spearman's correlation between models")
        assert [row[0] for row in shown.rows] == [
            "preact20 - preact20",
            "preact20 - preact56",
            "preact20 - preact164",
            "preact56 - preact56",
            "preact56 - preact164",
            "preact164 - preact164",
        ]
        assert all(" to " in cell for row in shown.rows for cell in row[1:])


def cell(axes: Axes, row: int, column: int) -> str:
    """Return the number written into a matrix's cell."""
    (text,) = (t for t in axes.texts if t.get_position() == (column, row))
    return text.get_text()


def points(axes: Axes) -> dict[float, float]:
    """Return the first line's y by x."""
    x, y = (np.asarray(values, np.float64) for values in axes.lines[0].get_data())
    return dict(zip(x.tolist(), y.tolist(), strict=True))


class TestAsTrainingGoesOn:
    def test_curves_are_correlations_with_the_deepest_models_last_epoch(
        self, document: Document
    ) -> None:
        drawn = figure(document, "as-training-goes-on")
        assert [axes.get_title() for axes in drawn.axes] == ["forgetting events", "entropy"]
        entropy = drawn.axes[1]
        assert entropy.get_xlabel() == "epoch"
        assert entropy.get_ylabel() == "Spearman's correlation with preact164"
        lines = series(entropy)
        assert list(lines) == ["preact20", "preact56", "preact164"]
        expected = [
            np.mean(
                [
                    stats.spearmanr(
                        scores("preact20", a, epoch)["entropy"],
                        scores("preact164", b, 181)["entropy"],
                    ).statistic
                    for a in (1, 2, 3)
                    for b in (1, 2, 3)
                    if a != b
                ]
            )
            for epoch in EPOCHS
        ]
        assert list(lines["preact20"].get_xdata()) == EPOCHS
        assert list(lines["preact20"].get_ydata()) == pytest.approx(expected)

    def test_epochs_of_one_run_are_compared_within_the_run(self, document: Document) -> None:
        drawn = figure(document, "epochs-entropy")
        shown = [axes for axes in drawn.axes if axes.get_title()]
        assert [axes.get_title() for axes in shown] == ["preact20", "preact56", "preact164"]
        assert shown[0].get_xlabel() == shown[0].get_ylabel() == "epoch"
        within = [
            stats.spearmanr(
                scores("preact20", seed, 10)["entropy"], scores("preact20", seed, 181)["entropy"]
            ).statistic
            for seed in (1, 2, 3)
        ]
        assert cell(shown[0], 0, 2) == f"{np.mean(within):.2f}"
        assert cell(shown[0], 0, 0) == "1.00"


class TestConfidence:
    def test_entropy_and_margin_are_compared_with_confidence_of_the_same_model(
        self, document: Document
    ) -> None:
        shown = table(document, "Entropy and margin against confidence")
        found = [
            stats.spearmanr(
                scores("preact56", seed, 181)["margin"],
                scores("preact56", seed, 181)["least_confidence"],
            ).statistic
            for seed in (1, 2, 3)
        ]
        z = stats.ttest_1samp(np.arctanh(found), 0).confidence_interval(0.95)
        (row,) = rows_of(shown, "preact56")
        ends = f"{np.tanh(z.low):.3f} to {np.tanh(z.high):.3f}"
        assert row[2] == f"{np.mean(found):.3f} ({ends})"
        assert "above 0.96" in shown.note


class TestErrorByDepth:
    def test_figure_4_shows_error_and_time_by_depth_and_error_by_epoch(
        self, document: Document
    ) -> None:
        by_depth, by_epoch, by_time, right = figure(document, "error-by-depth-and-epoch").axes
        assert by_depth.get_ylabel() == "top-1 error [%]"
        assert right.get_ylabel() == "training time [minutes]"
        errors = [100 * (e + 1 / 181) for e in (0.076, 0.060, 0.051)]
        assert points(by_depth) == pytest.approx(dict(zip((20, 56, 164), errors, strict=True)))
        assert points(right) == pytest.approx(dict.fromkeys((20, 56, 164), 181 / 6))
        assert set(series(by_epoch)) == {"preact20", "preact56", "preact164"}
        assert by_epoch.get_xlabel() == "epoch"
        assert by_time.get_xlabel() == "training time [minutes]"

    def test_the_papers_errors_stand_beside_where_it_tells_them(self, document: Document) -> None:
        shown = table(document, "Error and training time")
        (r20,) = rows_of(shown, "preact20")
        (r56,) = rows_of(shown, "preact56")
        assert r20[4:] == ["8.2 ± 0.00", "30.2 ± 0.0", "7.6", "+0.6", "26"]
        assert r56[6:] == ["-", "-", "-"]

    def test_unlike_runs_stand_alone(self, tmp_path: Path) -> None:
        config = study_config(MODELS, data={"name": "cifar10", "n_pool": N_ITEMS})
        found = document_of([write_study(tmp_path / "run", config, scores)])
        assert found.title == "CIFAR10, Figures 3 and 4 (small scale)"
        assert not any("paper" in name for name in table(found, "Error and training").header)
        assert "0.96" not in table(found, "Entropy and margin").note


class TestFigure8:
    def test_a_box_surrounds_the_residual_architectures(self, tmp_path: Path) -> None:
        names = ["alexnet", "resnet18", "vgg11", "densenet121"]
        config = study_config(
            {name: {"model": name} for name in names}, seeds=[1], k_centers_budget=0
        )
        folder = write_study(
            tmp_path / "run", config, lambda m, s, e: {"entropy": scores(m, s, e)["entropy"]}
        )
        drawn = figure(document_of([folder]), "spearman-between-models")
        axes = drawn.axes[0]
        labels = [text.get_text() for text in axes.get_xticklabels()]
        assert labels == ["resnet18", "densenet121", "alexnet", "vgg11"]
        (box,) = (patch for patch in axes.patches if isinstance(patch, Rectangle))
        assert (box.get_xy(), box.get_width()) == ((-0.5, -0.5), 2)
        assert len(axes.texts) == 4 * 3  # one run a model: nothing on the diagonal


class TestTogether:
    def test_models_of_several_folders_stand_in_one_matrix(self, tmp_path: Path) -> None:
        one = study_config({"preact20": {"model": "preact20"}}, name="one")
        two = study_config({"preact56": {"model": "preact56"}}, name="two")
        folders = [
            write_study(tmp_path / "one", one, scores),
            write_study(tmp_path / "two", two, scores),
        ]
        found = record(document_of(folders), "spearman", "entropy", "preact20", "preact56")
        assert found["mean_seeds"] == 3

    def test_pools_drawn_by_different_seeds_are_refused(self, tmp_path: Path) -> None:
        folders = [
            write_study(tmp_path / str(seed), study_config(MODELS, data_seed=seed), scores)
            for seed in (0, 1)
        ]
        with pytest.raises(ExperimentError, match="differ in data_seed"):
            document_of(folders)

    def test_a_run_that_stopped_early_is_named_and_left_out(self, tmp_path: Path) -> None:
        config = study_config(MODELS, record_epochs=EPOCHS[:-1])
        folder = write_study(tmp_path / "run", config, scores)
        path = folder / "preact56-seed2.jsonl"
        path.write_text("\n".join([*path.read_text().split("\n")[:2], ""]))
        found = document_of([folder])
        assert "Unfinished: preact56, seed 2: stopped at epoch 100 of 181." in found.gaps
        assert record(found, "spearman", "entropy", "preact56", "preact56")["mean_seeds"] == 2
