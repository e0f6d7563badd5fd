"""The experiments that come with the program, as their files say them; imports no model."""

import tomllib
from importlib.resources import files
from typing import Any

from workers.simulation.config import ExperimentError

FOLDER = files("workers.simulation") / "experiments"


def bundled_names() -> list[str]:
    """Return the names of the bundled experiments, sorted."""
    return sorted(f.name.removesuffix(".toml") for f in FOLDER.iterdir() if f.name[-5:] == ".toml")


def bundled_text(name: str) -> str:
    """Return the file of a bundled experiment.

    Raises:
        ExperimentError: there is none of this name.
    """
    resource = FOLDER / f"{name}.toml"
    if not resource.is_file():
        known = ", ".join(bundled_names())
        raise ExperimentError(f"There is no experiment {name!r}; bundled are {known}.")
    return resource.read_text(encoding="utf-8")


def bundled_values(name: str) -> dict[str, Any]:
    """Return what the file of a bundled experiment says, without the defaults.

    Raises:
        ExperimentError: there is none of this name.
    """
    return {"name": name, **tomllib.loads(bundled_text(name))}
