"""Runs an experiment: its arms over its seeds, in process or through a service, with progress."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from app.client import Client
from models.train import TrainProgress, train
from workers.simulation.config import ExperimentError
from workers.simulation.data import DataSet, data_folder, load_data, model_inputs
from workers.simulation.kinds import ActiveLearningConfig
from workers.simulation.load import EXPERIMENT_FILE, read_experiment
from workers.simulation.oracle import answer_key
from workers.simulation.replay import RunContext, Shared, replay_arm
from workers.simulation.results import ArmResult, RoundLine, summarize
from workers.simulation.through_api import ServiceRun

RUN_ID_FILE = "run-id"


@dataclass(frozen=True)
class Place:
    """Where an experiment runs.

    Attributes:
        out: folder of the lines.
        device: "cpu" or "cuda[:i]", of what runs in this process.
        client: of a service; None runs in process.
    """

    out: Path
    device: str = "cpu"
    client: Client | None = None


def run_experiment(
    experiment: ActiveLearningConfig, seeds: Sequence[int], place: Place, console: Console
) -> list[ArmResult]:
    """Run all arms over the seeds and return their results, arm by arm.

    What is on the disk already is not run again.

    Raises:
        ExperimentError: the folder holds lines of another experiment.
    """
    run_id = _claim_folder(experiment, place.out)
    torch.set_num_threads(joblib.cpu_count())  # that this process may use
    results = []
    with _Bars.shown(experiment, place.client, console) as bars:
        for seed in seeds:
            data = load_data(experiment.data, seed, bars.on_download)
            if seed == seeds[0]:
                _announce(experiment, len(seeds), data, place.device, console)
            results += _run_seed(experiment, seed, data, place, run_id, bars)
    return sorted(results, key=lambda result: list(experiment.arms).index(result.name))


def _run_seed(
    experiment: ActiveLearningConfig,
    seed: int,
    data: DataSet,
    place: Place,
    run_id: str,
    bars: "_Bars",
) -> list[ArmResult]:
    key = answer_key(
        experiment.oracle,
        data.pool.labels,
        len(data.classes),
        seed,
        data.pool_rows,
        data_folder(),
    )
    shared = Shared()
    results = []
    for arm in experiment.arms:
        bar = bars.add(arm, seed)
        context = RunContext(
            experiment=experiment,
            arm=arm,
            seed=seed,
            data=data,
            key=key,
            folder=place.out,
            device=place.device,
            shared=shared,
            on_progress=bar.on_training,
        )
        if place.client is None:
            lines = replay_arm(context, bar.on_line)
        else:
            run = ServiceRun(context, place.client, run_id)
            lines = run.run(bar.on_project, bar.on_line)
        results.append(summarize(lines))
        bar.stop()
    return results


def read_run_id(out: Path) -> str:
    """Return what tells this folder's run from others of its experiment in one service."""
    return (out / RUN_ID_FILE).read_text().strip()


def _claim_folder(experiment: ActiveLearningConfig, out: Path) -> str:
    """Write the experiment into its folder, or check that it is the one there; return the run's id.

    Raises:
        ExperimentError: the folder holds lines of another experiment.
    """
    path = out / EXPERIMENT_FILE
    if path.exists():
        known = read_experiment(out)
        if known.hash != experiment.hash:
            raise ExperimentError(
                f"{out} holds runs of {known.name} with other settings ({known.hash}); choose "
                "another folder with --out."
            )
        return read_run_id(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / RUN_ID_FILE).write_text(f"{secrets.token_hex(4)}\n")
    path.write_text(experiment.model_dump_json(indent=2) + "\n")
    return read_run_id(out)


def _announce(
    experiment: ActiveLearningConfig, n_seeds: int, data: DataSet, device: str, console: Console
) -> None:
    """Print the plan, and its hours by one timed epoch of each model."""
    budgets = experiment.budgets
    points = list(range(budgets.initial_budget, budgets.total_budget, budgets.round_budget))
    points.append(budgets.total_budget)
    seconds = {name: _item_seconds(experiment, name, data, device) for name in experiment.models}
    total = 0.0
    for arm in experiment.arms:
        selector = experiment.selector_of(arm)
        target_epochs = experiment.models["target"].resolved.epochs
        total += sum(points) * target_epochs * seconds["target"]
        if selector is not None and selector != experiment.models["target"]:
            name = experiment.arms[arm].selector
            total += sum(points[:-1]) * selector.resolved.epochs * seconds[name]
    each = ", ".join(f"{name} {1000 * value:.2f} ms" for name, value in seconds.items())
    console.print(
        f"{experiment.title}: {data.title}, {len(data.pool)} + {len(data.evaluation)} items, "
        f"{len(experiment.arms)} arms, {n_seeds} seeds. One item of one epoch takes {each}: "
        f"about {total * n_seeds / 3600:.1f} hours of training."
    )


def _item_seconds(experiment: ActiveLearningConfig, name: str, data: DataSet, device: str) -> float:
    """Return the seconds that one item of one epoch takes, after a first epoch to warm up."""
    model = experiment.models[name]
    n = min(len(data.pool), 256)
    part = data.pool.take(np.arange(n))
    inputs = model_inputs(part, model.model, model.resolved)
    recipe = model.resolved.with_overrides({"epochs": 1})
    trained = [
        train(model.model, recipe, inputs, part.labels, len(data.classes), 0, device=device)
        for _ in range(2)
    ]
    return trained[-1].seconds / n


@dataclass
class _Bar:
    """The progress bar of one arm and seed."""

    progress: Progress
    task: TaskID
    newest: Callable[[int], str]

    def on_line(self, line: RoundLine) -> None:
        error = line.target_error if line.target_error is not None else line.proxy_error
        accuracy = "" if error is None else f"accuracy {1 - error:.3f}"
        self.progress.update(
            self.task, completed=line.n_labeled, state=f"round {line.number}", accuracy=accuracy
        )

    def on_project(self, project: dict[str, Any]) -> None:
        self.progress.update(
            self.task,
            completed=project["n_labeled"],
            state=project["state"],
            accuracy=self.newest(project["id"]),
        )

    def on_training(self, progress: TrainProgress) -> None:
        self.progress.update(self.task, state=f"epoch {progress.epoch}/{progress.epochs}")

    def stop(self) -> None:
        self.progress.update(self.task, state="finished")
        self.progress.stop_task(self.task)


@dataclass
class _Bars:
    """The progress bars of a run."""

    progress: Progress
    total: int
    client: Client | None
    download_task: TaskID | None = None

    @classmethod
    @contextmanager
    def shown(
        cls, experiment: ActiveLearningConfig, client: Client | None, console: Console
    ) -> Iterator["_Bars"]:
        columns = (
            TextColumn("{task.fields[arm]:<12}"),
            BarColumn(bar_width=20),
            TextColumn("{task.completed:>4.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[state]:<15}"),
            TextColumn("{task.fields[accuracy]:<14}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console) as progress:
            yield cls(progress, experiment.budgets.total_budget, client)

    def add(self, arm: str, seed: int) -> _Bar:
        task = self.progress.add_task(
            arm, arm=f"{arm} {seed}", total=self.total, state="starting", accuracy=""
        )
        return _Bar(self.progress, task, self._newest_accuracy)

    def on_download(self, done: int, total: int | None) -> None:
        if self.download_task is None:
            self.download_task = self.progress.add_task(
                "download", arm="download", state="MB", accuracy="", total=None
            )
        megabytes = None if total is None else total / 1e6
        self.progress.update(self.download_task, completed=done / 1e6, total=megabytes)

    def _newest_accuracy(self, project: int) -> str:
        models = self.client.models(project) if self.client else []
        accuracy = models[-1]["metrics"].get("accuracy") if models else None
        return "" if accuracy is None else f"accuracy {accuracy:.3f}"
