"""Experiments as files: TOML, bundled or the user's, and the JSON beside their lines."""

import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from workers.simulation.config import ExperimentError
from workers.simulation.kinds import EXPERIMENT, KINDS, AnyExperiment

EXPERIMENT_FILE = "experiment.json"


def read_experiment(folder: Path) -> AnyExperiment:
    """Return the experiment whose lines lie in a folder.

    Raises:
        ExperimentError: the folder holds none.
    """
    path = folder / EXPERIMENT_FILE
    if not path.exists():
        raise ExperimentError(f"{folder} holds no run; `svp simulate` writes one with --out.")
    return EXPERIMENT.validate_json(path.read_text())


def bundled() -> dict[str, AnyExperiment]:
    """Return the experiments that come with the program, by name."""
    folder = files("workers.simulation") / "experiments"
    names = sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name[-5:] == ".toml")
    return {name: _parse(name, (folder / f"{name}.toml").read_text()) for name in names}


def load_experiment(name: str, overrides: Sequence[str] = ()) -> AnyExperiment:
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
    folder = files("workers.simulation") / "experiments"
    resource = folder / f"{name}.toml"
    if not resource.is_file():
        known = ", ".join(bundled())
        raise ExperimentError(f"There is no experiment {name!r}; bundled are {known}.")
    return _parse(name, resource.read_text(encoding="utf-8"), overrides)


def _parse(name: str, text: str, overrides: Sequence[str] = ()) -> AnyExperiment:
    try:
        values: dict[str, Any] = {"name": name, **tomllib.loads(text)}
        for override in overrides:
            key, equals, value = override.partition("=")
            if not equals:
                raise ExperimentError(f"--set needs key=value, not {override!r}.")
            _set(values, key.strip().split("."), _toml_value(value.strip()))
        return EXPERIMENT.validate_python(values)
    except tomllib.TOMLDecodeError as error:
        raise ExperimentError(f"Experiment {name} is not valid TOML: {error}.") from None
    except ValidationError as error:
        faults = "; ".join(f"{_place(fault['loc'])}: {fault['msg']}" for fault in error.errors())
        raise ExperimentError(f"Experiment {name} does not fit: {faults}.") from None


def _place(keys: Sequence[str | int]) -> str:
    """Return a fault's dotted key, without the kind that pydantic puts before it."""
    keys = keys[1:] if keys and keys[0] in KINDS else keys
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
