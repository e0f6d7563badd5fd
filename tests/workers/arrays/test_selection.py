"""`svp select` on arrays on disk."""

import os
import subprocess
import sys
from collections.abc import Callable
from mmap import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from selection import mapped
from selection.errors import NonFiniteError, NotProbabilitiesError, OverlapError, SelectionError
from selection.k_centers.greedy import greedy_k_centers
from selection.mapped import take_rows
from selection.rank import rank
from selection.types import Signals
from tests.plugins import brought_strategy
from workers.cli.main import app

N = 60
# What torchrun sets; port 0 takes a free one.
ONE_PROCESS = {"WORLD_SIZE": "1", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
Svp = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Arrays of 60 items in files."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.normal(size=(N, 5)).astype(np.float32))
    np.save(tmp_path / "p.npy", rng.dirichlet(np.ones(3), N))
    np.save(tmp_path / "y.npy", rng.integers(3, size=N))
    np.save(tmp_path / "f.npy", np.where(np.arange(N) == 7, -1, rng.integers(9, size=N)))
    np.save(tmp_path / "l.npy", np.array([50, 3, 20]))
    return tmp_path


@pytest.fixture
def svp(folder: Path) -> Svp:
    """Run `svp select`; files are named within the folder. Errors are raised."""

    def run(strategy: str, budget: int, *options: str, **files: str) -> str:
        command = ["select", strategy, "--budget", str(budget), "--out", str(folder / "out.npy")]
        for name, file in files.items():
            command += [f"--{name.replace('_', '-')}", str(folder / file)]
        result = CliRunner().invoke(app, [*command, *options])
        if result.exception:
            raise result.exception
        return result.output

    return run


def written(folder: Path, name: str = "out.npy") -> np.ndarray:
    found: np.ndarray = np.load(folder / name, allow_pickle=False)
    return found


class TestSelect:
    def test_indices_are_those_of_the_strategy_over_the_unlabeled(
        self, svp: Svp, folder: Path
    ) -> None:
        said = svp("k_centers", 10, features="x.npy", labeled="l.npy", scores_out="s.npy")
        features = np.load(folder / "x.npy")
        pool = np.setdiff1d(np.arange(N), [3, 20, 50])
        rows, distances = greedy_k_centers(
            features[pool], features[[3, 20, 50]], 10, np.random.default_rng(0)
        )
        assert written(folder).dtype == np.int64
        np.testing.assert_array_equal(written(folder), pool[rows])
        np.testing.assert_array_equal(written(folder, "s.npy"), distances)
        assert "k_centers selected 10 of 57 items" in said

    def test_probabilities_alone_are_enough(self, svp: Svp, folder: Path) -> None:
        svp("margin", 5, probs="p.npy")
        probs = np.load(folder / "p.npy")
        expected = rank("margin", Signals(N, probs), 5, np.random.default_rng(0)).rows
        np.testing.assert_array_equal(written(folder), expected)

    def test_core_sets_take_labels_and_forgetting_events(self, svp: Svp, folder: Path) -> None:
        svp("forgetting_events", 6, "--class-balance", forgetting="f.npy", labels="y.npy")
        labels = np.load(folder / "y.npy")
        assert np.bincount(labels[written(folder)]).tolist() == [2, 2, 2]
        svp("forgetting_events", 1, forgetting="f.npy")
        assert written(folder).tolist() == [7], "never learned comes first"

    def test_brought_strategy_on_features_needs_no_model(
        self, svp: Svp, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with brought_strategy(tmp_path, monkeypatch, "svp_test_arrays", "first_feature"):
            said = svp("first_feature", 3, features="x.npy")
        first = np.load(folder / "x.npy")[:, 0].astype(np.float64)
        assert written(folder).tolist() == np.argsort(-first, kind="stable")[:3].tolist()
        assert "first_feature selected 3 of 60 items" in said

    def test_all_options_together(self, svp: Svp, folder: Path) -> None:
        said = svp(
            "badge", 12, "--class-balance", "--control-fraction", "0.25", "--recall",
            "--candidates", "neighbours:6", "--duplicate-similarity", "0.99",
            features="x.npy", probs="p.npy", labeled="l.npy", control_out="c.npy",
        )  # fmt: skip
        assert written(folder, "c.npy").sum() == 3
        assert len(set(written(folder).tolist())) == 12
        assert not set(written(folder).tolist()) & {3, 20, 50}
        assert "3 drawn uniformly" in said
        assert "index recall 1.000" in said
        assert "of the full scan's selection" in said

    def test_labeled_features_may_lie_in_a_file_of_their_own(self, svp: Svp, folder: Path) -> None:
        features = np.load(folder / "x.npy")
        np.save(folder / "pool.npy", features[3:])
        np.save(folder / "first.npy", features[:3])
        svp("k_centers", 8, features="pool.npy", labeled_features="first.npy")
        apart = written(folder) + 3
        np.save(folder / "l.npy", np.arange(3))
        svp("k_centers", 8, features="x.npy", labeled="l.npy")
        np.testing.assert_array_equal(apart, written(folder))

    def test_pool_may_be_a_part(self, svp: Svp, folder: Path) -> None:
        np.save(folder / "part.npy", np.array([9, 2, 31]))
        svp("uniform", 3, probs="p.npy", pool="part.npy")
        assert sorted(written(folder)) == [2, 9, 31]

    def test_estimate_is_that_of_the_pool(self, svp: Svp, folder: Path) -> None:
        np.save(folder / "many.npy", np.random.default_rng(0).normal(size=(200_000, 8)))
        np.save(folder / "part.npy", np.arange(50))
        said = svp("k_centers", 5, "--estimate", features="many.npy", pool="part.npy")
        assert "32 MiB beside the features" in said

    def test_estimate_selects_nothing(self, svp: Svp, folder: Path) -> None:
        said = svp("k_centers", 5, "--estimate", features="x.npy", labeled="l.npy")
        assert "5 out of 57 items" in said
        assert "MiB beside the features" in said
        assert not (folder / "out.npy").exists()


class TestBadInput:
    @pytest.mark.parametrize(
        ("array", "error", "said"),
        [
            (np.array([[0.5, 0.5], [np.nan, 1.0]]), NonFiniteError, "row 1"),
            (np.array([[0.5, 0.5], [0.4, 0.5]]), NotProbabilitiesError, "Row 1.*0.9"),
            (np.array([[1, 0], [0, 1]]), SelectionError, "float32 or float64"),
            (np.ones(4), SelectionError, r"\[4, ...\]"),
            (np.empty((0, 2)), SelectionError, "empty"),
        ],
    )
    def test_bad_probabilities_name_row_and_value(
        self, svp: Svp, folder: Path, array: np.ndarray, error: type[Exception], said: str
    ) -> None:
        np.save(folder / "p.npy", array)
        with pytest.raises(error, match=said):
            svp("entropy", 0, probs="p.npy")
        assert not (folder / "out.npy").exists()

    @pytest.mark.parametrize(
        ("name", "index", "said"),
        [
            ("labeled", [3, 60], r"Row 1 .* is 60; indices are 0\.\.59"),
            ("labeled", [-1], "Row 0"),
            ("labeled", [3, 3], "Item 3 appears twice"),
            ("labeled", [0.5], "whole numbers"),
            ("pool", [1, 20], "Item 20 is in --pool and in --labeled"),
        ],
    )
    def test_bad_indices_are_named(
        self, svp: Svp, folder: Path, name: str, index: list[Any], said: str
    ) -> None:
        np.save(folder / "bad.npy", np.array(index))
        files = {"labeled": "l.npy", name: "bad.npy"}
        with pytest.raises(SelectionError, match=said):
            svp("uniform", 2, probs="p.npy", **files)

    def test_lengths_must_agree(self, svp: Svp, folder: Path) -> None:
        np.save(folder / "p.npy", np.full((5, 2), 0.5))
        with pytest.raises(SelectionError, match="features 60, probs 5"):
            svp("badge", 2, probs="p.npy", features="x.npy")

    @pytest.mark.parametrize(
        ("strategy", "budget", "options", "said"),
        [
            ("margin", 61, [], r"0\.\.60"),
            ("best", 2, [], "known are"),
            ("k_centers", 2, [], "needs features"),
            ("margin", 2, ["--candidates", "far:3"], "far"),
            ("margin", 2, ["--candidates", "neighbours:3"], "needs --features, and --labeled"),
            ("margin", 2, ["--duplicate-similarity", "0.9"], "needs features"),
            ("margin", 2, ["--candidates", "30"], "neighbours:K"),
            ("margin", 2, ["--recall"], "set candidates"),
            ("margin", 2, ["--estimate"], "Only k_centers"),
        ],
    )
    def test_what_cannot_be_selected_is_refused(
        self, svp: Svp, strategy: str, budget: int, options: list[str], said: str
    ) -> None:
        with pytest.raises(ValueError, match=said):
            svp(strategy, budget, *options, probs="p.npy")

    def test_no_array_at_all_and_no_array_in_a_file(self, svp: Svp, folder: Path) -> None:
        with pytest.raises(SelectionError, match="--features or --probs"):
            svp("uniform", 1)
        with pytest.raises(SelectionError, match="There is no file"):
            svp("uniform", 1, probs="q.npy")
        (folder / "p.npy").write_bytes(b"text")
        with pytest.raises(SelectionError, match="not a NumPy file"):
            svp("uniform", 1, probs="p.npy")

    def test_labeled_given_twice_is_refused(self, svp: Svp) -> None:
        with pytest.raises(OverlapError, match="not both"):
            svp("k_centers", 1, features="x.npy", labeled="l.npy", labeled_features="x.npy")


class TestMappedFiles:
    def test_large_copies_go_to_a_file_not_to_memory(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        features = np.load(folder / "x.npy", mmap_mode="r")
        monkeypatch.setattr(mapped, "available_memory", lambda: 8 * 3 * 20 - 1)
        apart = take_rows(features, np.array([1, 4, 9]))
        assert isinstance(apart.base, mmap)
        np.testing.assert_array_equal(apart, features[[1, 4, 9]])
        assert not isinstance(take_rows(features, np.array([1, 4])).base, mmap)

    def test_adjoining_rows_are_a_view(self, folder: Path) -> None:
        features = np.load(folder / "x.npy", mmap_mode="r")
        assert np.shares_memory(take_rows(features, np.arange(3, 9)), features)


class TestShards:
    @pytest.mark.slow
    def test_two_processes_write_the_selection_of_the_whole_pool(
        self, svp: Svp, folder: Path
    ) -> None:
        features = np.load(folder / "x.npy")
        np.save(folder / "whole.npy", features[3:])
        np.save(folder / "first.npy", features[:3])
        np.save(folder / "part-0.npy", features[3:20])
        np.save(folder / "part-1.npy", features[20:])
        subprocess.run(
            [
                sys.executable, "-m", "torch.distributed.run", "--standalone",
                "--nproc-per-node", "2", "-m", "workers.cli.main", "select", "k_centers",
                "--budget", "20", "--features", str(folder / "part-{rank}.npy"),
                "--labeled-features", str(folder / "first.npy"), "--out", str(folder / "s.npy"),
            ],
            check=True,
            capture_output=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            timeout=150,
        )  # fmt: skip
        svp("k_centers", 20, features="whole.npy", labeled_features="first.npy")
        np.testing.assert_array_equal(written(folder, "s.npy"), written(folder))

    @pytest.mark.parametrize(
        ("options", "files", "said"),
        [
            (["--class-balance"], {}, "no class_balance"),
            (["--control-fraction", "0.1"], {}, "no control_fraction"),
            (["--duplicate-similarity", "0.9"], {}, "no duplicate_similarity"),
            (["--candidates", "uniform:9", "--recall"], {}, "no candidates, measure_recall"),
            (["--device", "cuda"], {}, "no device"),
            ([], {"state": "state.npz"}, "no state"),
            ([], {"labeled": "l.npy"}, "no labeled"),
            ([], {"pool": "l.npy"}, "no pool"),
            ([], {"probs": "p.npy"}, "no probs"),
            ([], {"features": "x.npy"}, r"\{rank\} in its name"),
        ],
    )
    def test_what_shards_would_leave_out_is_refused(
        self,
        svp: Svp,
        folder: Path,
        options: list[str],
        files: dict[str, str],
        said: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("WORLD_SIZE", "1")
        monkeypatch.setenv("RANK", "0")
        with pytest.raises(SelectionError, match=said):
            svp("k_centers", 5, *options, **{"features": "part-{rank}.npy", **files})
        assert not (folder / "out.npy").exists()

    def test_budget_above_all_shards_is_refused(
        self, svp: Svp, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in ONE_PROCESS.items():
            monkeypatch.setenv(name, value)
        np.save(folder / "part-0.npy", np.load(folder / "x.npy"))
        with pytest.raises(SelectionError, match=rf"0\.\.{N}"):
            svp("k_centers", N + 1, features="part-{rank}.npy")
        assert not (folder / "out.npy").exists()
