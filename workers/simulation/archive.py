"""A run as one compressed file: its experiment, lines and score files; `svp report` reads it."""

import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workers.simulation.load import EXPERIMENT_FILE

ARCHIVE = "run.tar.xz"
PATTERNS = (EXPERIMENT_FILE, "*.jsonl", "*.npz")


def pack(folder: Path, archive: Path) -> None:
    """Write a run's folder to an archive; the same files give the same bytes."""
    with tarfile.open(archive, "w:xz", preset=9) as packed:
        for path in sorted(path for pattern in PATTERNS for path in folder.glob(pattern)):
            entry = tarfile.TarInfo(path.name)  # no times and owners
            entry.size = path.stat().st_size
            with path.open("rb") as file:
                packed.addfile(entry, file)


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """Yield the folder of a run's files, unpacked from its archive if need be.

    Args:
        path: a folder of a run, a folder with an archive in it, or an archive.
    """
    archive = path / ARCHIVE if path.is_dir() else path
    if not archive.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="svp-run-") as folder:
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        yield Path(folder)
