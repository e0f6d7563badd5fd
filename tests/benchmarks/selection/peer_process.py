"""Runs a peer in an environment of its own, so that it takes turns with ours in one run."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

SCRIPTS = Path(__file__).parent / "peers"


@dataclass(frozen=True)
class Selected:
    """Result of a run: seconds of the selection alone, and rows of the pool."""

    seconds: float
    rows: npt.NDArray[np.int64]


class PeerProcess:
    """A process of the peer's interpreter that runs one of the scripts in peers/."""

    def __init__(self, environment: Path, script: str, *arguments: str) -> None:
        python = environment / "bin" / "python"
        self._process = subprocess.Popen(
            [python, SCRIPTS / f"{script}.py", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        about = self._read()
        self.name = f"{about['package']} {about['version']}"

    def select(self, arrays: Mapping[str, Path], n_labeled: int, budget: int) -> Selected:
        """Return what the peer selects; its first run may compile or load."""
        request = {
            "arrays": {name: str(file) for name, file in arrays.items()},
            "n_labeled": n_labeled,
            "budget": budget,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._read()
        return Selected(answer["seconds"], np.array(answer["rows"], np.int64))

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The peer ended with code {self._process.wait()}.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)
