"""The command: `python -m tests.system.chaos --minutes 60 --seed 1 --out FILE`."""

import argparse
import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.system.chaos.run import SETTLE_SECONDS, Plan, Run
from tests.system.chaos.services import RigService, UpService


def main() -> int:
    """Carry out one run, write its report; return 1 if the verdict is bad."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--service", choices=["up", "rig"], default="up")
    parser.add_argument("--kinds", default="", help="comma-separated kinds of faults; all if empty")
    parser.add_argument("--settle-seconds", type=float, default=SETTLE_SECONDS)
    parser.add_argument("--rounds", type=int, help="no faults: measure memory over so many rounds")
    parser.add_argument("--keep", action="store_true", help="keep the service's folder")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Not in a folder of root's alone, and short: Postgres' socket lies in it.
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))
    small_disks = given.rounds is None
    service = (
        RigService(folder)
        if given.service == "rig"
        else UpService(folder, has_small_disks=small_disks)
    )
    try:
        if given.rounds is not None:
            from tests.system.chaos.memory import measure_memory  # noqa: PLC0415 - loads scipy

            report = measure_memory(service, given.rounds)
        else:
            kinds = tuple(kind.strip() for kind in given.kinds.split(",") if kind.strip())
            plan = Plan(given.minutes, given.seed, kinds, settle_seconds=given.settle_seconds)
            report = Run(plan, service).carry_out()
    finally:
        try:
            if given.keep:
                print(f"logs are kept in {folder}-logs")  # noqa: T201
                _keep_logs(service.logs(), Path(f"{folder}-logs"))
        finally:
            service.stop()
            shutil.rmtree(folder, ignore_errors=True)
    command = "python -m tests.system.chaos " + " ".join(sys.argv[1:])
    _write({"command": command, **report}, given.out)
    return int(report["verdict"] != "good")


def _keep_logs(logs: list[Path], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for log in logs:
        shutil.copy(log, folder / log.name)


def _write(report: dict[str, Any], out: Path | None) -> None:
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"verdict: {report['verdict']}")  # noqa: T201
    for problem in report["problems"]:
        print(f"- {problem}")  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
