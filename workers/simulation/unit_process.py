"""Runs one unit of an experiment in its own process; workers.simulation.sweep starts it.

The experiment stands in its folder. The process ends at once when its standard input does: lines
and checkpoints are written whole, so nothing is lost but the time since the last.
"""

import argparse
import os
import sys
import threading
from pathlib import Path

from rich.console import Console

from workers.simulation.bars import Bars
from workers.simulation.context import Shared
from workers.simulation.kinds import kind_of
from workers.simulation.load import read_experiment
from workers.simulation.run import Place, run_unit, seconds_of_process
from workers.steps.threads import use_threads

STOPPED = 3


def main() -> None:
    """Run the missing part of the unit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("unit")
    parser.add_argument("seed", type=int)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, required=True)
    given = parser.parse_args()
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    use_threads(given.threads)
    experiment = read_experiment(given.folder)
    with Bars.shown(None, Console(quiet=True)) as bars:
        kind = kind_of(experiment)
        data = kind.load(experiment, given.seed, bars.on_download)
        bar = bars.add(given.unit, given.seed, kind.n_steps(experiment, given.unit))
        place = Place(given.folder, given.device)
        shared = Shared(opening_seconds=seconds_of_process())
        run_unit(experiment, given.unit, given.seed, data, place, shared, bar)


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(STOPPED)


if __name__ == "__main__":
    main()
