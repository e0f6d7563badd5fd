"""Folders of made-up lines: what experiments of each kind leave, with errors and seconds given."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workers.simulation.active_learning.config import ActiveLearningConfig
from workers.simulation.active_learning.lines import RoundLine
from workers.simulation.core_sets.config import ALL, CoreSetConfig
from workers.simulation.core_sets.lines import CoreSetLine
from workers.simulation.load import EXPERIMENT_FILE
from workers.simulation.model_studies.config import ModelStudyConfig
from workers.simulation.model_studies.lines import StudyLine

PAPER_BUDGETS = (1_000, 5_000, 10_000, 15_000, 20_000, 25_000)
MODELS = {"target": {"model": "preact164"}, "proxy": {"model": "preact20"}}
VERSIONS = {"python": "3", "torch": "2", "numpy": "2"}
Line = RoundLine | CoreSetLine | StudyLine
Scores = dict[str, npt.NDArray[np.float64]]


def active_learning_config(**changes: Any) -> ActiveLearningConfig:
    """Return CIFAR10's Table 1 by least confidence, at the paper's settings."""
    values = {
        "name": "made-up",
        "kind": "active_learning",
        "title": "CIFAR10, Table 1",
        "data": {"name": "cifar10"},
        "budgets": {
            "initial_budget": 1_000,
            "first_round_budget": 4_000,
            "round_budget": 5_000,
            "total_budget": 25_000,
        },
        "models": MODELS,
        "arms": {
            "proxy": {"selector": "proxy"},
            "target": {"selector": "target"},
            "uniform": {"strategy": "uniform"},
        },
        "strategy": "least_confidence",
        "seeds": [1, 2, 3],
        "paper": {"dataset": "CIFAR10", "table": "1"},
    }
    return ActiveLearningConfig.model_validate(values | changes)


def write_active_learning(
    folder: Path,
    config: ActiveLearningConfig,
    error: Callable[[str, int, int], float],
    *,
    seconds: Callable[[str, int], float] = lambda _arm, _n: 60.0,
    cpu_share: float = 1.0,
    budgets: Sequence[int] = PAPER_BUDGETS,
    data: str = "cifar10",
    left_out: Sequence[tuple[str, int]] = (),
) -> Path:
    """Write a folder whose target errs by `error(arm, labels, seed)`; a round takes `seconds`.

    Args:
        cpu_share: CPU seconds in a second of data selection.
        left_out: arms and seeds that have not run.
    """
    _start(folder, config)
    for arm in config.arms:
        selector = config.selector_of(arm)
        for seed in config.seeds:
            if (arm, seed) in left_out:
                continue
            lines: list[Line] = []
            for number, n in enumerate(budgets):
                selects = selector is not None and number > 0
                before = budgets[number - 1] if number else 0
                took = seconds(arm, n) if selects else 0.0
                behind = 0.0 if config.arms[arm].selector == "target" else 0.02
                itself = error(arm, before, seed) + behind
                erred = error(arm, n, seed)
                # Where the target selects for itself, the next round measures it.
                waits = config.arms[arm].selector == "target" and 0 < n < budgets[-1]
                waits = waits and selector is not None
                lines.append(
                    RoundLine(
                        experiment=config.name,
                        experiment_hash=config.hash,
                        data=data,
                        arm=arm,
                        seed=seed,
                        number=number,
                        strategy=config.strategy_of(arm) if number else "uniform",
                        selector=selector.model if selector and selects else "none",
                        indices=[],
                        n_labeled_before=before,
                        n_labeled=n,
                        proxy_error=itself if selects else None,
                        target_error=None if waits else erred,
                        seconds={"training": 0.75 * took, "inference": 0.25 * took},
                        cpu_seconds={
                            "training": 0.75 * cpu_share * took,
                            "inference": 0.25 * cpu_share * took,
                        },
                        target_seconds=10.0,
                        device="cpu",
                        recipe_hash=selector.resolved.hash if selector and selects else None,
                        target_recipe_hash=config.models["target"].resolved.hash,
                        via="process",
                        versions=VERSIONS,
                        proxy_error_best=_best(config, itself) if selects else None,
                        target_error_best=None if waits else _best(config, erred),
                    )
                )
            _write(folder, arm, seed, lines)
    return folder


def core_set_config(**changes: Any) -> CoreSetConfig:
    """Return CIFAR10's Table 2 by forgetting events and entropy, at the paper's settings."""
    values = {
        "name": "made-up-core-sets",
        "title": "CIFAR10, core-sets",
        "kind": "core_set",
        "data": {"name": "cifar10"},
        "models": MODELS,
        "fractions": [0.3, 0.5, 0.7],
        "arms": {
            "uniform": {"strategy": "uniform"},
            "forgetting-target": {"strategy": "forgetting_events"},
            "forgetting-proxy": {"strategy": "forgetting_events", "selector": "proxy"},
            "entropy-target": {"strategy": "entropy"},
            "entropy-proxy": {"strategy": "entropy", "selector": "proxy"},
        },
        "seeds": [1, 2, 3, 4, 5],
        "paper": {"dataset": "CIFAR10", "table": "2"},
    }
    return CoreSetConfig.model_validate(values | changes)


def partial_epochs_config(**changes: Any) -> CoreSetConfig:
    """Return CIFAR10's Table 3 by forgetting events with a proxy of 50 epochs."""
    short = {"model": "preact20", "recipe": {"name": "paper_50_epochs"}}
    return core_set_config(
        name="made-up-short",
        models={"target": MODELS["target"], "short": short},
        arms={"forgetting-short": {"strategy": "forgetting_events", "selector": "short"}},
        paper={"dataset": "CIFAR10", "table": "3"},
        **changes,
    )


def write_core_sets(
    folder: Path,
    config: CoreSetConfig,
    error: Callable[[str, float, int], float],
    *,
    seconds: Mapping[str, float],
    target_seconds: float = 13_800.0,
    data: str = "cifar10",
) -> Path:
    """Write a folder whose target errs by `error(arm, fraction, seed)`.

    Args:
        seconds: of an arm's selection; what is missing takes none.
        target_seconds: of training the target on everything; in proportion on less.
    """
    _start(folder, config)
    for arm in [*config.arms, ALL]:
        name = config.selector_of(arm)
        selector = None if name is None else config.models[name]
        for seed in config.seeds:
            lines: list[Line] = []
            for fraction in [1.0] if arm == ALL else config.fractions:
                erred = error(arm, fraction, seed)
                lines.append(
                    CoreSetLine(
                        experiment=config.name,
                        experiment_hash=config.hash,
                        data=data,
                        arm=arm,
                        seed=seed,
                        strategy="uniform" if arm == ALL else config.arms[arm].strategy,
                        selector="none" if selector is None else selector.model,
                        selector_epochs=None if selector is None else selector.resolved.epochs,
                        fraction=fraction,
                        n_kept=round(50_000 * fraction),
                        n_pool=50_000,
                        indices=[],
                        selector_error=None if selector is None else 0.08,
                        target_error=erred,
                        target_error_best=_best(config, erred),
                        seconds={"training": seconds.get(arm, 0.0), "evaluation": 99.0},
                        target_seconds=fraction * target_seconds,
                        device="cpu",
                        recipe_hash=None if selector is None else selector.resolved.hash,
                        target_recipe_hash=config.models["target"].resolved.hash,
                        via="process",
                        versions=VERSIONS,
                    )
                )
            _write(folder, arm, seed, lines)
    return folder


def study_config(models: Mapping[str, Any], **changes: Any) -> ModelStudyConfig:
    """Return a study of these models on CIFAR10, for Figures 3 to 5."""
    values = {
        "name": "made-up-study",
        "title": "CIFAR10, Figures 3 and 4",
        "kind": "model_study",
        "data": {"name": "cifar10"},
        "models": models,
        "initial_uniform": 1_000,
        "seeds": [1, 2, 3],
        "paper": {"dataset": "CIFAR10", "figures": [3, 4]},
    }
    return ModelStudyConfig.model_validate(values | changes)


def write_study(
    folder: Path,
    config: ModelStudyConfig,
    scores: Callable[[str, int, int], Scores],
    *,
    error: Callable[[str, int], float] = lambda _model, epoch: 1 / (epoch + 1),
    data: str = "cifar10",
) -> Path:
    """Write a folder whose runs score the items by `scores(model, seed, epoch)`."""
    _start(folder, config)
    for name, model in config.models.items():
        for seed in config.seeds:
            lines: list[Line] = []
            for epoch in config.recorded_of(name):
                file = f"{name}-seed{seed}-epoch{epoch}.npz"
                np.savez(folder / file, **scores(name, seed, epoch))  # type: ignore[arg-type]
                lines.append(
                    StudyLine(
                        experiment=config.name,
                        experiment_hash=config.hash,
                        data=data,
                        model=name,
                        architecture=model.model,
                        seed=seed,
                        epochs=model.resolved.epochs,
                        epoch=epoch,
                        error=error(name, epoch),
                        train_seconds=10.0 * epoch,
                        scores_file=file,
                        device="cpu",
                        recipe_hash=model.resolved.hash,
                        via="process",
                        versions=VERSIONS,
                    )
                )
            _write(folder, name, seed, lines)
    return folder


def _best(config: ActiveLearningConfig | CoreSetConfig, error: float) -> float | None:
    """Return the best epoch's error, half a point below the last, if the experiment keeps it."""
    return error - 0.005 if config.traps.report_best_epoch else None


def _start(folder: Path, config: ActiveLearningConfig | CoreSetConfig | ModelStudyConfig) -> None:
    folder.mkdir(parents=True)
    (folder / EXPERIMENT_FILE).write_text(config.model_dump_json(indent=2))


def _write(folder: Path, arm: str, seed: int, lines: Sequence[Line]) -> None:
    text = "".join(json.dumps(asdict(line)) + "\n" for line in lines)
    (folder / f"{arm}-seed{seed}.jsonl").write_text(text)
