"""Starts processes: chooses the code they import, where caches lie and how threads wait."""

import os
import sys
import tempfile
import time
from pathlib import Path

import psutil

from app.config import default_data_folder

# Compiled code and fonts. Beside the code, or in a home folder, they could not always be written.
CACHES = {
    "NUMBA_CACHE_DIR": "numba",
    "MPLCONFIGDIR": "matplotlib",
    "TORCH_HOME": "torch",
    "TORCHINDUCTOR_CACHE_DIR": "torchinductor",
    "TORCH_EXTENSIONS_DIR": "torch-extensions",
    "TRITON_CACHE_DIR": "triton",
}
# Idle threads sleep. By default OpenMP lets them spin: beside one other busy process on two cores
# that made a training 15 times slower.
PASSIVE_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}


def module_command(module: str) -> list[str]:
    """Return the command that runs a module of ours.

    -P: Python would import what the working folder holds, an app.py or a folder models, before
    what is installed.
    """
    return [sys.executable, "-P", "-m", module]


def prepare_environment() -> None:
    """Let this process and its children import safely, cache in the data folder and wait idly.

    Call it before numba, matplotlib and torch are imported. What the user has set stays.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
    wait_passively()
    folder = _cache_folder()
    for variable, name in CACHES.items():
        os.environ.setdefault(variable, str(folder / name))


def wait_passively() -> None:
    """Let threads of this process and of its children sleep while they wait.

    Call it before torch, numba and faiss are imported. What the user has set stays.
    """
    for variable, value in PASSIVE_WAITING.items():
        os.environ.setdefault(variable, value)


def _cache_folder() -> Path:
    """Return a folder that this user can write to: in the data folder where that is possible."""
    try:
        named = os.environ.get("SVP_DATA_FOLDER")
        data_folder = Path(named).expanduser().absolute() if named else default_data_folder()
        data_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = data_folder / "cache" / "compiled"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    except (OSError, ValueError):
        pass
    return Path(tempfile.gettempdir()) / f"svp-compiled-{os.geteuid()}"


class StopClock:
    """Measures for how long a signal (SIGSTOP) has kept a process from running."""

    def __init__(self, pid: int | None = None) -> None:
        self._pid = pid
        self._stopped_at: float | None = None

    def seconds(self) -> float:
        """Return how many seconds, as far as was observed."""
        try:
            is_stopped = psutil.Process(self._pid).status() == psutil.STATUS_STOPPED
        except psutil.NoSuchProcess:
            is_stopped = False
        if not is_stopped:
            self._stopped_at = None
            return 0.0
        now = time.monotonic()
        self._stopped_at = self._stopped_at or now
        return now - self._stopped_at
