"""The stages of a long step: what each measured is kept, so that a resumed step repeats none."""

import hashlib
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.seconds import PartSeconds, Spent
from models.training.train import TrainingStopped

Arrays = dict[str, npt.NDArray[Any]]
OnStage = Callable[[int, str], None]
"""Called with the number of finished stages and the name of the one that begins."""

SPENT = "spent "  # before the name of a part: [wall, cpu]


@dataclass
class Stages:
    """Does named stages once each, in any order, and adds up what they spend.

    Attributes:
        folder: where finished stages are kept; None: in memory, for as long as this lives.
        on_stage: called before each stage that is not kept.
        should_stop: asked before each stage.
    """

    folder: Path | None = None
    on_stage: OnStage | None = None
    should_stop: Callable[[], bool] = lambda: False
    _kept: dict[str, Arrays] = field(default_factory=dict)
    _spent: dict[str, Spent] = field(default_factory=dict)

    def do(self, name: str, work: Callable[[], tuple[Arrays, PartSeconds]]) -> Arrays:
        """Return the arrays of a stage, and count its seconds, now or when it was first done.

        Raises:
            TrainingStopped: `should_stop` asked for it.
        """
        found = self._load(name)
        if found is None:
            if self.should_stop():
                raise TrainingStopped
            if self.on_stage:
                self.on_stage(len(self._kept), name)
            arrays, seconds = work()
            found = {**arrays, **_as_arrays(seconds)}
            self._save(name, found)
        if name not in self._kept:
            self._kept[name] = found
            for part, spent in _spent_of(found).items():
                self._spent[part] = self._spent.get(part, Spent()).plus(spent)
        return {key: value for key, value in found.items() if not key.startswith(SPENT)}

    def spent_on(self, name: str, part: str | None = None) -> Spent:
        """Return what a finished stage spent on a part, or on all of them together."""
        total = Spent()
        for key, spent in _spent_of(self._kept[name]).items():
            if part in (None, key):
                total = total.plus(spent)
        return total

    @property
    def seconds(self) -> PartSeconds:
        """Seconds of the stages so far, by part."""
        return PartSeconds(
            {part: spent.wall for part, spent in self._spent.items()},
            {part: spent.cpu for part, spent in self._spent.items()},
        )

    def forget(self) -> None:
        """Remove what was kept to resume from."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _load(self, name: str) -> Arrays | None:
        if name in self._kept:
            return self._kept[name]
        path = self._path(name)
        if path is None or not path.exists():
            return None
        try:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                return dict(file)
        except (
            OSError,
            ValueError,
            EOFError,
            zipfile.BadZipFile,
        ):  # cut off by a crash: it is done again
            return None

    def _save(self, name: str, arrays: Arrays) -> None:
        path = self._path(name)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".part.npz")
        np.savez(beside, allow_pickle=False, **arrays)
        beside.replace(path)

    def _path(self, name: str) -> Path | None:
        if self.folder is None:
            return None
        return self.folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.npz"


def _as_arrays(seconds: PartSeconds) -> Arrays:
    return {
        f"{SPENT}{part}": np.array([wall, seconds.cpu.get(part, 0.0)])
        for part, wall in seconds.wall.items()
    }


def _spent_of(arrays: Arrays) -> dict[str, Spent]:
    return {
        key.removeprefix(SPENT): Spent(*value.tolist())
        for key, value in arrays.items()
        if key.startswith(SPENT)
    }
