"""Installed size and import time of the client alone, in a virtual environment of its own.

    python tests/benchmarks/client/bench_install.py --out docs/results/client/install.json

The size is what the environment holds beyond an empty one. The time is that of
`import svp_client` in a fresh interpreter, beside that of `import httpx`, without the interpreter's
own start: the processor's seconds, which other work on the machine changes little; the median and
the extremes of the runs.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
from tests.svp_client.wheels import build_wheel

TIMED = "import time; t = time.process_time(); import {module}; print(time.process_time() - t)"


def size_bytes(folder: Path) -> int:
    """Return the bytes of all files, without the byte code."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return sum(path.stat().st_size for path in files)


def import_seconds(python: Path, module: str, runs: int) -> dict[str, float]:
    """Return how long an import takes; a first one, which writes byte code, is not counted."""
    found = []
    for _ in range(runs + 1):
        command = [str(python), "-c", TIMED.format(module=module)]
        found.append(float(subprocess.run(command, check=True, capture_output=True).stdout))
    kept = found[1:]
    return {
        "median": round(statistics.median(kept), 4),
        "min": round(min(kept), 4),
        "max": round(max(kept), 4),
    }


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheel = build_wheel(Path(folder))
        venv = Path(folder) / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
        python = venv / "bin" / "python"
        empty = size_bytes(venv)
        pip = [sys.executable, "-m", "pip", "--python", str(python)]
        subprocess.run([*pip, "install", "--quiet", str(wheel)], check=True)
        listed = subprocess.run([*pip, "list", "--format", "json"], check=True, capture_output=True)
        found = {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": f"{platform.machine()}, Python {platform.python_version()}, others at work",
            "packages": {p["name"]: p["version"] for p in json.loads(listed.stdout)},
            "wheel_bytes": wheel.stat().st_size,
            "client_bytes": size_bytes(next(venv.glob("lib/*/site-packages")) / "svp_client"),
            "installed_bytes": size_bytes(venv) - empty,
            "import_svp_client_cpu_seconds": import_seconds(python, "svp_client", args.runs),
            "import_httpx_cpu_seconds": import_seconds(python, "httpx", args.runs),
        }
    text = json.dumps(found, indent=2)
    print(text)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
