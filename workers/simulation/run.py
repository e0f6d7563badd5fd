"""Runs an experiment: its units over its seeds, in process or through a service, with progress."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from app.storage.durable import replaced
from models.catalog import ModelSetup
from models.data.labeled import LabeledSet
from models.training.train import train
from svp_client import Client
from workers.simulation.active_learning.replay import RunContext, replay_arm
from workers.simulation.active_learning.through_api import ServiceRun
from workers.simulation.bars import Bar, Bars
from workers.simulation.config import ExperimentError
from workers.simulation.context import Shared
from workers.simulation.core_sets.replay import CoreSetContext, replay_core_sets
from workers.simulation.core_sets.through_api import CoreSetServiceRun
from workers.simulation.data import DataSet, data_folder, load_data, model_inputs
from workers.simulation.kinds import (
    ActiveLearningConfig,
    AnyExperiment,
    CoreSetConfig,
    ModelStudyConfig,
)
from workers.simulation.load import EXPERIMENT_FILE, read_experiment
from workers.simulation.model_studies.replay import StudyContext, replay_study
from workers.simulation.model_studies.through_api import StudyServiceRun
from workers.simulation.oracle import answer_key
from workers.simulation.plan import item_epochs, steps_of, units_of
from workers.simulation.service_limits import refuse_beyond_service
from workers.steps.threads import use_threads

RUN_ID_FILE = "run-id"


@dataclass(frozen=True)
class Place:
    """Where an experiment runs.

    Attributes:
        out: folder of the lines.
        device: "cpu" or "cuda[:i]", of what runs in this process.
        client: of a service; None runs in process.
        threads: on the CPU; another number changes last bits. 0 = one a core.
    """

    out: Path
    device: str = "cpu"
    client: Client | None = None
    threads: int = 0


def run_experiment(
    experiment: AnyExperiment, seeds: Sequence[int], place: Place, console: Console
) -> None:
    """Run all units over the seeds; their lines are then in the folder.

    What is on the disk already is not run again.

    Raises:
        ExperimentError: the folder holds lines of another experiment, or the experiment asks a
            service for what it does not do.
    """
    if place.client is not None:
        refuse_beyond_service(experiment)
    use_threads(place.threads)
    with Bars.shown(place.client, console) as bars:
        for seed in seeds:
            data = load_seed(experiment, seed, bars)
            if seed == seeds[0]:
                claim_folder(experiment, place.out)  # not for an experiment that does not fit
                _announce(experiment, len(seeds), data, place.device, console)
            shared = Shared()
            for unit in units_of(experiment):
                bar = bars.add(unit, seed, steps_of(experiment, unit))
                run_unit(experiment, unit, seed, data, place, shared, bar)
                bar.stop()


def load_seed(experiment: AnyExperiment, seed: int, bars: Bars) -> DataSet:
    """Return the data of a seed: in a study all seeds have the same.

    Raises:
        ExperimentError: the experiment wants more labels than the pool has items.
    """
    if isinstance(experiment, ModelStudyConfig):
        seed = experiment.data_seed
    data = load_data(experiment.data, seed, bars.on_download)
    if isinstance(experiment, ActiveLearningConfig):
        _check_budgets(experiment, len(data.pool))
    return data


def _check_budgets(experiment: ActiveLearningConfig, n_pool: int) -> None:
    for name in ("initial_budget", "total_budget"):
        budget = getattr(experiment.budgets, name)
        if budget > n_pool:
            raise ExperimentError(
                f"budgets.{name} is {budget}, but the pool of {experiment.name} has {n_pool} "
                f"items: make it at most {n_pool}, or data.n_pool larger."
            )


def run_unit(  # noqa: PLR0913, PLR0917 - all that a unit is made of
    experiment: AnyExperiment,
    unit: str,
    seed: int,
    data: DataSet,
    place: Place,
    shared: Shared,
    bar: Bar,
) -> None:
    """Run what is missing of one unit with one seed."""
    common: dict[str, Any] = {
        "seed": seed,
        "data": data,
        "folder": place.out,
        "device": place.device,
        "shared": shared,
        "traps": experiment.traps,
        "on_progress": bar.on_training,
    }
    if isinstance(experiment, CoreSetConfig):
        sets = CoreSetContext(experiment=experiment, **common)
        if place.client is None:
            replay_core_sets(sets, unit, bar.on_line)
        else:
            CoreSetServiceRun(sets, place.client, read_run_id(place.out)).run(unit, bar.on_line)
    elif isinstance(experiment, ModelStudyConfig):
        study = StudyContext(experiment=experiment, model=unit, **common)
        if place.client is None:
            replay_study(study, bar.on_line)
        else:
            StudyServiceRun(study, place.client, read_run_id(place.out)).run(bar.on_line)
    else:
        key = answer_key(
            experiment.oracle,
            data.pool.labels,
            len(data.classes),
            seed,
            data.pool_rows,
            data_folder(),
        )
        context = RunContext(experiment=experiment, arm=unit, key=key, **common)
        if place.client is None:
            replay_arm(context, bar.on_line)
        else:
            run = ServiceRun(context, place.client, read_run_id(place.out))
            run.run(bar.on_project, bar.on_line)


def read_run_id(out: Path) -> str:
    """Return what tells this folder's run from others of its experiment in one service."""
    return (out / RUN_ID_FILE).read_text().strip()


def claim_folder(experiment: AnyExperiment, out: Path) -> None:
    """Write the experiment into its folder, or check that it is the one there.

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
        return
    with replaced(out / RUN_ID_FILE) as file:
        file.write(f"{secrets.token_hex(4)}\n".encode())
    with replaced(path) as file:
        file.write(experiment.model_dump_json(indent=2).encode() + b"\n")


def _announce(
    experiment: AnyExperiment, n_seeds: int, data: DataSet, device: str, console: Console
) -> None:
    """Print the plan, and its hours by one timed epoch of each model."""
    units = units_of(experiment)
    seconds = {name: _item_seconds(experiment, name, data, device) for name in experiment.models}
    total = sum(
        seconds[name] * n
        for unit in units
        for name, n in item_epochs(experiment, unit, len(data.pool)).items()
    )
    each = ", ".join(f"{name} {1000 * value:.2f} ms" for name, value in seconds.items())
    console.print(
        f"{experiment.title}: {data.title}, {len(data.pool)} + {len(data.evaluation)} items, "
        f"{', '.join(units)}; {n_seeds} seeds. One item of one epoch takes {each}: "
        f"about {total * n_seeds / 3600:.1f} hours of training."
    )


def _item_seconds(experiment: AnyExperiment, name: str, data: DataSet, device: str) -> float:
    """Return the seconds that one item of one epoch takes, after a first epoch to warm up."""
    model = experiment.models[name]
    n = min(len(data.pool), 256)
    part = data.pool.take(np.arange(n))
    inputs = model_inputs(part, model.setup)
    recipe = model.resolved.with_overrides({"epochs": 1})
    trained = [
        train(
            ModelSetup(model.model, recipe),
            LabeledSet(inputs, part.labels, len(data.classes)),
            0,
            device=device,
        )
        for _ in range(2)
    ]
    return trained[-1].seconds / n
