"""Watches, stops and resumes a long selection; its result never depends on that."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]
SAVE_SECONDS = 30.0


class SelectionStopped(Exception):
    """The selection was asked to stop; its picks so far are saved."""

    def __init__(self, n_picked: int, budget: int) -> None:
        super().__init__(f"The selection was stopped after {n_picked} of {budget} picks.")


@dataclass
class Watch:
    """Ways to watch, stop and resume a long selection.

    Attributes:
        device: "cpu" or "cuda[:i]".
        on_progress: called with (picks so far, budget).
        should_stop: asked between steps.
        state_file: where the picks so far are kept every `save_seconds`, to resume from.
        save_seconds: 0 saves after every step.
    """

    device: str = "cpu"
    on_progress: Callable[[int, int], None] | None = None
    should_stop: Callable[[], bool] | None = None
    state_file: Path | None = None
    save_seconds: float = SAVE_SECONDS
    _saved_at: float = field(default_factory=time.monotonic, repr=False)

    def report(self, n_picked: int, budget: int) -> None:
        """Tell the caller how far the selection is."""
        if self.on_progress:
            self.on_progress(n_picked, budget)

    def is_stopping(self) -> bool:
        """Whether the caller wants the selection to end early."""
        return self.should_stop is not None and self.should_stop()

    @property
    def is_save_due(self) -> bool:
        """Whether the last save lies `save_seconds` back."""
        return time.monotonic() - self._saved_at >= self.save_seconds

    def save(self, identity: str, arrays: Arrays) -> None:
        """Keep `arrays` in the state file, if there is one, whole or not at all."""
        if self.state_file is None:
            return
        self.state_file.parent.mkdir(parents=True, exist_ok=True)
        beside = self.state_file.with_suffix(f".{os.getpid()}.tmp")
        with beside.open("wb") as file:
            np.savez(file, allow_pickle=False, identity=np.array(identity), **arrays)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.state_file)
        self._saved_at = time.monotonic()

    def load(self, identity: str) -> Arrays | None:
        """Return the saved arrays of the same problem; None if there are none that can be read."""
        if self.state_file is None or not self.state_file.exists():
            return None
        try:
            # Opened here: np.load leaves a broken file open.
            with self.state_file.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = dict(stored)
        except (OSError, ValueError, EOFError, BadZipFile):
            return None
        return arrays if str(arrays.pop("identity", "")) == identity else None

    def remove(self) -> None:
        """Delete the state file."""
        if self.state_file is not None:
            self.state_file.unlink(missing_ok=True)
