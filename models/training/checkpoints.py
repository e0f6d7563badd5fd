"""Checkpoints of a training: written whole or not at all, ignored where they belong to another."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield a path next to `path`; its file replaces `path` when the block ends without an error.

    It is forced to the disk first: after a crash there is the old file or the new one, whole.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class CheckpointFile:
    """The newest epoch end of one training, written at most every `every_seconds`.

    With `keeps_end` it always holds the last epoch, so that training again only reads it.
    """

    def __init__(self, path: Path, every_seconds: float = 0.0, *, keeps_end: bool = False) -> None:
        self.path = path
        self.every_seconds = every_seconds
        self.keeps_end = keeps_end
        self._saved_at = float("-inf")

    @property
    def is_due(self) -> bool:
        """Whether the newest save is old enough for another."""
        return time.monotonic() - self._saved_at >= self.every_seconds

    def save(self, identity: str, state: dict[str, Any]) -> None:
        """Write the state whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(self.path) as temporary:
            torch.save({"identity": identity, **state}, temporary)
        self._saved_at = time.monotonic()

    def load(self, identity: str) -> dict[str, Any] | None:
        """Return the state of the same training; None if there is none, or it cannot be read."""
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        except Exception:  # noqa: BLE001 - a damaged file raises almost anything
            return None
        return state if state.get("identity") == identity else None

    def remove(self) -> None:
        """Delete the file, if there is one."""
        self.path.unlink(missing_ok=True)
