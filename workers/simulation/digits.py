"""The demonstration: three selectors on scikit-learn's digits, through a running service.

The proxy selects; the target selects for itself (the baseline); uniform. One seed, one oracle.
"""

import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from app.client import Client
from models.data.readers import read_digits
from workers.reports.plots import plot_arms
from workers.reports.tables import speedup_markdown, speedup_table
from workers.simulation.results import ArmResult
from workers.simulation.through_api import ImageSet, measure_targets, run_arm

N_EVALUATION = 497
COMMON = {"minibatch": 32, "learning_rate": 0.05, "crop_padding": 1, "horizontal_flip": False}
PROXY = {"model": "preact8", "recipe": {"epochs": 15, **COMMON}}
TARGET = {"model": "preact20", "recipe": {"epochs": 30, **COMMON}}
BUDGETS = {"initial_budget": 100, "round_budget": 100, "total_budget": 500, "reserve": 0}
ARMS: dict[str, dict[str, Any]] = {
    "proxy": {"proxy": PROXY, "strategy": "least_confidence"},
    "target": {"proxy": TARGET, "strategy": "least_confidence"},
    "uniform": {"proxy": PROXY, "strategy": "uniform"},
}
UpdateBar = Callable[..., None]


def run_digits(client: Client, seed: int, out: Path, console: Console) -> list[ArmResult]:
    """Run the three arms, print their table and write demo.png, demo.md and demo.json to `out`."""
    start = time.perf_counter()
    torch.set_num_threads(os.cpu_count() or 1)
    data = read_demo_set(seed)
    arms: list[ArmResult] = []
    known_errors: dict[bytes, float] = {}
    with _progress_bars(client, console) as bar_of:
        for name, arm in ARMS.items():
            settings = {**BUDGETS, **arm, "target": TARGET, "seed": seed}
            update = bar_of(name)
            # A name of its own, so that a service that ran it before can run it again.
            project_name = f"digits-{name}-{seed}-{time.time_ns()}"
            result, project = run_arm(client, data, name, project_name, settings, update)
            measure_targets(client, project, data, result, known_errors)
            update(client.project(project), result)
            arms.append(result)
    seconds = time.perf_counter() - start
    out.mkdir(parents=True, exist_ok=True)
    plot_arms(arms, out / "demo.png", "Digits: 100 to 500 labels, one seed")
    (out / "demo.md").write_text(speedup_markdown(arms))
    (out / "demo.json").write_text(json.dumps(_report(arms, seed, seconds), indent=2) + "\n")
    console.print(speedup_table(arms))
    console.print(_summary(arms))
    console.print(f"Picture and figures: {out}/demo.png, demo.md, demo.json")
    return arms


def read_demo_set(seed: int) -> ImageSet:
    """Return the digits, shuffled by the seed: 1,300 in the pool, 497 for evaluation."""
    images, labels = read_digits()
    order = np.random.default_rng(seed).permutation(len(labels))
    evaluation, pool = order[:N_EVALUATION], order[N_EVALUATION:]
    return ImageSet(
        pool=images.take(pool),
        pool_labels=labels[pool],
        evaluation=images.take(evaluation),
        evaluation_labels=labels[evaluation],
        classes=[str(digit) for digit in range(10)],
    )


@contextmanager
def _progress_bars(client: Client, console: Console) -> Iterator[Callable[[str], UpdateBar]]:
    """Yield a function arm -> its update(project, result?): labels, state, accuracy, seconds."""
    columns = (
        TextColumn("{task.fields[arm]:<8}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:>3.0f}/{task.total:.0f} labels"),
        TextColumn("{task.fields[state]:<15}"),
        TextColumn("{task.fields[accuracy]:<14}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:

        def bar_of(arm: str) -> UpdateBar:
            total = BUDGETS["total_budget"]
            bar = progress.add_task(arm, arm=arm, total=total, state="starting", accuracy="")

            def update(project: dict[str, Any], result: ArmResult | None = None) -> None:
                progress.update(
                    bar,
                    completed=project["n_labeled"],
                    state=project["state"],
                    accuracy=_newest_accuracy(client, project["id"]),
                )
                if result is not None:
                    progress.stop_task(bar)

            return update

        yield bar_of


def _newest_accuracy(client: Client, project: int) -> str:
    models = client.models(project)
    return f"accuracy {models[-1]['metrics']['accuracy']:.3f}" if models else ""


def _summary(arms: Sequence[ArmResult]) -> str:
    """Return what the proxy saved: seconds against the target, labels against uniform."""
    proxy, target, uniform = arms
    ratio = target.selection_seconds / proxy.selection_seconds
    reached = next(
        n
        for n, error in zip([*proxy.n_labels, None], [*proxy.target_errors, 0.0], strict=True)
        if error <= uniform.target_errors[-1]
    )
    labels = "on this seed it saved no labels over uniform"
    if reached is not None and reached < uniform.n_labels[-1]:
        saved = uniform.n_labels[-1] - reached
        labels = f"with {saved} labels fewer it reached uniform's error at {uniform.n_labels[-1]}"
    seconds = target.selection_seconds - proxy.selection_seconds
    return f"The proxy saved {seconds:.1f} s of data selection ({ratio:.1f}x); {labels}."


def _report(arms: Sequence[ArmResult], seed: int, seconds: float) -> dict[str, Any]:
    return {
        "command": "make demo",
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} CPU cores, {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "seed": seed,
        "seconds": seconds,
        "budgets": BUDGETS,
        "arms": [arm.to_json() for arm in arms],
    }
