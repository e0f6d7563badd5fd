"""Runs an experiment: its units over its seeds, in process or through a service, with progress."""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from rich.console import Console

from app.storage.durable import replaced
from models.catalog import ModelSetup
from models.data.labeled import LabeledSet
from models.training.train import train
from svp_client import Client
from workers.simulation.bars import Bar, Bars
from workers.simulation.config import ExperimentConfig, ExperimentError
from workers.simulation.context import SeedContext, Shared
from workers.simulation.data import DataSet, model_inputs
from workers.simulation.kind import Service
from workers.simulation.kinds import kind_of
from workers.simulation.load import EXPERIMENT_FILE, read_experiment
from workers.simulation.service_limits import refuse_beyond_service
from workers.steps.threads import use_threads

RUN_ID_FILE = "run-id"


@dataclass(frozen=True)
class Place:
    """The place where an experiment runs.

    Attributes:
        out: folder of the lines.
        device: "cpu" or "cuda[:i]", of what runs in this process.
        client: of a service; None runs in process.
        threads: on the CPU; another number changes last bits. 0 = one per core.
    """

    out: Path
    device: str = "cpu"
    client: Client | None = None
    threads: int = 0


def run_experiment(
    experiment: ExperimentConfig,
    seeds: Sequence[int],
    place: Place,
    console: Console,
    *,
    may_take: Callable[[float], bool] = lambda _hours: True,
) -> None:
    """Run all units over the seeds; their lines are then in the folder.

    Units whose lines are on the disk are not run again.

    Args:
        experiment: what to run.
        seeds: of the repeats.
        place: where.
        console: for the plan and the progress.
        may_take: is asked with the expected hours; False ends the run before it begins.

    Raises:
        ExperimentError: the folder holds lines of another experiment, or the experiment asks a
            service for what it does not do.
    """
    if place.client is not None:
        refuse_beyond_service(experiment)
    kind = kind_of(experiment)
    use_threads(place.threads)
    started = seconds_of_process()
    with Bars.shown(place.client, console) as bars:
        for seed in seeds:
            reading = time.perf_counter()
            data = kind.load(experiment, seed, bars.on_download)
            read = time.perf_counter() - reading
            if seed == seeds[0]:
                claim_folder(experiment, place.out)  # not for an experiment that does not fit
                hours = _announce(experiment, len(seeds), data, place.device, console)
                with bars.hidden():
                    if not may_take(hours):
                        return
            shared = Shared(opening_seconds=started + read)
            for unit in kind.units(experiment):
                bar = bars.add(unit, seed, kind.n_steps(experiment, unit))
                run_unit(experiment, unit, seed, data, place, shared, bar)
                bar.stop()


def seconds_of_process() -> float:
    """Return the wall seconds since this process started."""
    return time.time() - float(psutil.Process().create_time())


def run_unit(  # noqa: PLR0913, PLR0917 - all that a unit is made of
    experiment: ExperimentConfig,
    unit: str,
    seed: int,
    data: DataSet,
    place: Place,
    shared: Shared,
    bar: Bar,
) -> None:
    """Run the missing part of one unit with one seed."""
    context = SeedContext(
        seed=seed,
        data=data,
        folder=place.out,
        device=place.device,
        shared=shared,
        traps=experiment.traps,
        on_progress=bar.on_training,
    )
    service = None if place.client is None else Service(place.client, read_run_id(place.out))
    kind_of(experiment).run(experiment, unit, context, bar, service)


def read_run_id(out: Path) -> str:
    """Return a key that tells this folder's run from others of its experiment in one service."""
    return (out / RUN_ID_FILE).read_text().strip()


def claim_folder(experiment: ExperimentConfig, out: Path) -> None:
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
    experiment: ExperimentConfig, n_seeds: int, data: DataSet, device: str, console: Console
) -> float:
    """Print the plan; return its hours by one timed epoch of each model."""
    kind = kind_of(experiment)
    units = kind.units(experiment)
    seconds = {name: _item_seconds(experiment, name, data, device) for name in experiment.models}
    total = sum(
        seconds[name] * n
        for unit in units
        for name, n in kind.item_epochs(experiment, unit, len(data.pool)).items()
    )
    each = ", ".join(f"{name} {1000 * value:.2f} ms" for name, value in seconds.items())
    console.print(
        f"{experiment.title}: {data.title}, {len(data.pool)} + {len(data.evaluation)} items, "
        f"{', '.join(units)}; {n_seeds} seeds. One item of one epoch takes {each}: "
        f"about {total * n_seeds / 3600:.1f} hours of training."
    )
    return total * n_seeds / 3600


def _item_seconds(experiment: ExperimentConfig, name: str, data: DataSet, device: str) -> float:
    """Return the seconds of one item in one epoch, after a first epoch to warm up."""
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
    return trained[-1].spent.wall / n
