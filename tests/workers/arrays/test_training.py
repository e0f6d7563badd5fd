"""`svp train`: arrays on disk, one process or two; stopped and resumed together."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.multiprocessing.spawn import spawn
from typer.testing import CliRunner

from models.catalog import resolve_setup
from models.training.train import TrainingStopped, load_model
from workers.arrays.training import train_on_arrays
from workers.cli.main import app

RECIPE: dict[str, object] = {"epochs": 3, "minibatch": 16}


def write(folder: Path) -> None:
    rng, labels = np.random.default_rng(0), np.arange(57) % 3
    values = rng.normal(size=(57, 6)) + 4 * np.eye(6)[labels]
    np.save(folder / "x.npy", values.astype(np.float32))
    np.save(folder / "y.npy", labels)


def fit(folder: Path, name: str, *, stop_after: int | None = None) -> None:
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return stop_after is not None and asked > stop_after

    x, y = folder / "x.npy", folder / "y.npy"
    setup = resolve_setup("probe", RECIPE)
    train_on_arrays(setup, x, y, folder / name, should_stop=should_stop)


def fit_plainly(model: str, folder: Path) -> None:
    setup = resolve_setup(model, {})
    train_on_arrays(setup, folder / "x.npy", folder / "y.npy", folder / "m")


def work(rank: int, folder: str, port: int) -> None:
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)
    }  # fmt: skip
    # Only the second process is asked to stop: the first must not wait for it forever.
    with pytest.raises(TrainingStopped):
        fit(Path(folder), "two.safetensors", stop_after=9 if rank else None)
    os.environ["MASTER_PORT"] = str(port + 1)
    fit(Path(folder), "two.safetensors")


def test_one_process_trains_and_says_so(tmp_path: Path) -> None:
    write(tmp_path)
    x, y, out = (str(tmp_path / name) for name in ("x.npy", "y.npy", "m.safetensors"))
    answer = CliRunner().invoke(
        app,
        ["train", "--model", "probe", "--inputs", x, "--labels", y, "--recipe", '{"epochs": 3}',
         "--out", out],
    )  # fmt: skip
    assert answer.exit_code == 0, answer.output
    assert answer.stdout.startswith("probe: loss ")
    assert load_model(Path(out)).n_classes == 3


@pytest.mark.slow
def test_two_processes_stop_and_go_on_together_and_learn_what_one_does(tmp_path: Path) -> None:
    write(tmp_path)
    port = 20_000 + os.getpid() % 20_000
    spawn(work, (str(tmp_path), port), nprocs=2)  # type: ignore[no-untyped-call]
    fit(tmp_path, "one.safetensors")
    one, two = (load_model(tmp_path / f"{name}.safetensors") for name in ("one", "two"))
    for a, b in zip(one.network.parameters(), two.network.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
    assert not list(tmp_path.glob("*.checkpoint"))


@pytest.mark.parametrize("model", ["preact8", "fasttext"])
def test_arrays_of_another_kind_are_refused(tmp_path: Path, model: str) -> None:
    write(tmp_path)
    with pytest.raises(ValueError, match=rf"float32 \[57, 6\]; .* {model} takes"):
        fit_plainly(model, tmp_path)


def test_channels_before_rows_are_refused_with_what_to_do(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((60, 3, 8, 8), np.uint8))
    np.save(tmp_path / "y.npy", np.arange(60) % 3)
    with pytest.raises(ValueError, match=r"these have 8, and 3 rows: .*numpy\.transpose"):
        fit_plainly("preact8", tmp_path)
