"""Reads experiments: TOML files, bundled or the user's, and the JSON in a run's folder."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from workers.simulation.bundled import bundled_names, bundled_text
from workers.simulation.config import HAS_RUN, ExperimentConfig, ExperimentError
from workers.simulation.kinds import KINDS

EXPERIMENT_FILE = "experiment.json"


def read_experiment(folder: Path) -> ExperimentConfig:
    """Return the experiment whose lines lie in a folder.

    Raises:
        ExperimentError: the folder holds none.
    """
    path = folder / EXPERIMENT_FILE
    if not path.exists():
        raise ExperimentError(f"{folder} holds no run; `svp simulate` writes one with --out.")
    return _checked(str(path), json.loads(path.read_text()), has_run=True)


def bundled() -> dict[str, ExperimentConfig]:
    """Return the experiments that come with the program, by name."""
    return {name: _parse(name, bundled_text(name)) for name in bundled_names()}


def load_experiment(name: str, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Return a bundled experiment by name, or one from a TOML file by path.

    Args:
        name: bundled name, or a path that ends in .toml.
        overrides: "key=value" with dotted keys and TOML values, e.g. "budgets.total_budget=900".

    Raises:
        ExperimentError: it does not exist, or does not fit; the message says what to change.
    """
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise ExperimentError(f"There is no experiment file {path}.")
        return _parse(path.stem, path.read_text(encoding="utf-8"), overrides)
    return _parse(name, bundled_text(name), overrides)


def _parse(name: str, text: str, overrides: Sequence[str] = ()) -> ExperimentConfig:
    try:
        values: dict[str, Any] = {"name": name, **tomllib.loads(text)}
        for override in overrides:
            key, equals, value = override.partition("=")
            if not equals:
                raise ExperimentError(f"--set needs key=value, not {override!r}.")
            _set(values, key.strip().split("."), _toml_value(value.strip()))
    except tomllib.TOMLDecodeError as error:
        raise ExperimentError(f"Experiment {name} is not valid TOML: {error}.") from None
    return _checked(f"Experiment {name}", values)


def _checked(what: str, values: dict[str, Any], *, has_run: bool = False) -> ExperimentConfig:
    """Return the experiment of these values; `what` begins the sentence of an error.

    Of one that `has_run` the models and strategies may be gone: a package brought them.
    """
    kind = KINDS.get(str(values.get("kind")))
    if kind is None:
        raise ExperimentError(f"{what} does not fit: kind must be one of {', '.join(KINDS)}.")
    try:
        experiment: ExperimentConfig = kind.experiment_type.model_validate(
            values, context={HAS_RUN: has_run}
        )
    except ValidationError as error:
        faults = "; ".join(f"{_place(fault['loc'])}: {fault['msg']}" for fault in error.errors())
        raise ExperimentError(f"{what} does not fit: {faults}.") from None
    return experiment


def _place(keys: Sequence[str | int]) -> str:
    """Return a fault's dotted key."""
    return ".".join(map(str, keys)) or "experiment"


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a bare word is a string


def _set(values: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for key in path[:-1]:
        values = values.setdefault(key, {})
        if not isinstance(values, Mapping):
            raise ExperimentError(f"--set {'.'.join(path)}: {key} is no table.")
    values[path[-1]] = value
