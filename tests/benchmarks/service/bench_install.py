"""The API alone beside the whole product: seconds to install, bytes on the disk, start of `svp`.

    python -m tests.benchmarks.service.bench_install --out docs/results/service/install.json

Each is installed into a virtual environment of its own, from the index and cache that pip uses
here. Bytes are those beyond an empty environment, without byte code. The start is `svp --help` in
processor seconds, the median of the runs with its extremes.
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.benchmarks.client.bench_install import size_bytes

ROOT = Path(__file__).parents[3]
SOURCES = {"api": "deploy/api", "whole": "."}


def start_seconds(svp: Path, runs: int) -> dict[str, float]:
    """Return the processor seconds of `svp --help`; a first run, which compiles, is left out."""
    found = []
    for _ in range(runs + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([svp, "--help"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
        found.append(round(used, 3))
    kept = found[1:]
    return {"median": statistics.median(kept), "min": min(kept), "max": max(kept)}


def measure(source: Path, runs: int) -> dict[str, Any]:
    """Install one distribution and return what it takes."""
    with tempfile.TemporaryDirectory() as folder:
        venv = Path(folder)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
        empty = size_bytes(venv)
        pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python")]
        options = ["--quiet", "--constraint", str(ROOT / "constraints.txt")]
        began = time.monotonic()
        subprocess.run([*pip, "install", *options, str(source)], check=True)
        seconds = time.monotonic() - began
        listed = subprocess.run([*pip, "list", "--format", "json"], check=True, capture_output=True)
        return {
            "install_seconds": round(seconds, 1),
            "installed_bytes": size_bytes(venv) - empty,
            "n_packages": len(json.loads(listed.stdout)),
            "start_cpu_seconds": start_seconds(venv / "bin" / "svp", runs),
        }


def main() -> None:
    """Measure both, print and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=SOURCES)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    chosen = [args.only] if args.only else list(SOURCES)
    found = {
        "command": "python -m tests.benchmarks.service.bench_install",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        **{name: measure(ROOT / SOURCES[name], args.runs) for name in chosen},
    }
    text = json.dumps(found, indent=2)
    print(text)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
