"""A tiny experiment on real images, and how tests run it."""

from pathlib import Path

from rich.console import Console

from svp_client import Client
from workers.simulation.active_learning.config import ActiveLearningConfig
from workers.simulation.active_learning.lines import RoundLine, read_lines
from workers.simulation.config import ExperimentConfig
from workers.simulation.core_sets.config import CoreSetConfig
from workers.simulation.load import load_experiment
from workers.simulation.model_studies.config import ModelStudyConfig
from workers.simulation.run import Place, run_experiment

TINY = """
kind = "active_learning"
title = "Tiny digits"
seeds = [3]
strategy = "least_confidence"

[data]
name = "digits"
n_pool = 60
n_evaluation = 40

[budgets]
initial_budget = 12
round_budget = 6
total_budget = 24

[models.proxy]
model = "preact8"
recipe = {epochs = 2, minibatch = 16, learning_rate = 0.05, horizontal_flip = false}

[models.target]
model = "preact8"
recipe = {epochs = 3, minibatch = 16, learning_rate = 0.05, horizontal_flip = false}

[arms.proxy]
selector = "proxy"

[arms.target]
selector = "target"

[arms.uniform]
strategy = "uniform"
"""

CORE_SETS = """
kind = "core_set"
title = "Tiny core-sets"
seeds = [3]
fractions = [0.3, 0.5]

[data]
name = "digits"
n_pool = 60
n_evaluation = 40

[models.proxy]
model = "preact8"
recipe = {epochs = 3, minibatch = 16, learning_rate = 0.05, horizontal_flip = false}

[models.target]
model = "preact8"
recipe = {epochs = 2, minibatch = 16, learning_rate = 0.05, horizontal_flip = false}

[arms.forgetting]
selector = "proxy"
strategy = "forgetting_events"

[arms.entropy]
selector = "proxy"
strategy = "entropy"

[arms.k_centers]
selector = "target"
strategy = "k_centers"
initial_uniform = 6

[arms.uniform]
strategy = "uniform"
"""

STUDY = """
kind = "model_study"
title = "Tiny study"
seeds = [3, 4]
record_epochs = [1]
initial_uniform = 6

[data]
name = "digits"
n_pool = 60
n_evaluation = 40

[models.shallow]
model = "preact8"
recipe = {epochs = 3, minibatch = 16, learning_rate = 0.05, horizontal_flip = false}

[models.deep]
model = "preact14"
recipe = {epochs = 2, minibatch = 16, learning_rate = 0.05, horizontal_flip = false}
"""

Lines = dict[tuple[str, int], list[RoundLine]]


def write_tiny(folder: Path) -> Path:
    """Return the path of the tiny experiment's TOML file."""
    path = folder / "tiny.toml"
    path.write_text(TINY)
    return path


def tiny(folder: Path, *overrides: str) -> ActiveLearningConfig:
    """Return the tiny experiment with overrides."""
    found = load_experiment(str(write_tiny(folder)), overrides)
    assert isinstance(found, ActiveLearningConfig)
    return found


def tiny_core_sets(folder: Path, *overrides: str) -> CoreSetConfig:
    """Return the tiny core-set experiment with overrides."""
    (folder / "core-sets.toml").write_text(CORE_SETS)
    found = load_experiment(str(folder / "core-sets.toml"), overrides)
    assert isinstance(found, CoreSetConfig)
    return found


def tiny_study(folder: Path, *overrides: str) -> ModelStudyConfig:
    """Return the tiny study of models with overrides."""
    (folder / "study.toml").write_text(STUDY)
    found = load_experiment(str(folder / "study.toml"), overrides)
    assert isinstance(found, ModelStudyConfig)
    return found


def run_any(
    experiment: ExperimentConfig, out: Path, client: Client | None = None, threads: int = 1
) -> None:
    """Run the experiment's seeds, by default on one thread."""
    place = Place(out, client=client, threads=threads)
    run_experiment(experiment, experiment.seeds, place, Console(quiet=True))


def run(experiment: ActiveLearningConfig, out: Path, client: Client | None = None) -> Lines:
    """Run the experiment and return its lines."""
    place = Place(out, client=client)
    run_experiment(experiment, experiment.seeds, place, Console(quiet=True))
    return read_lines(out)


def indices(lines: Lines) -> dict[tuple[str, int], list[list[int]]]:
    """Return the indices of every round, by arm and seed."""
    return {key: [line.indices for line in run_lines] for key, run_lines in lines.items()}
