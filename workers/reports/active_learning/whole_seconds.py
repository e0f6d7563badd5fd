"""The whole wall clock of each arm beside the data selection seconds that a speed-up counts."""

from collections.abc import Mapping
from statistics import median

from workers.reports.active_learning.measured import Arms, BySeed, Measured
from workers.reports.cells import DASH, times
from workers.reports.document import Table
from workers.reports.statistics import paired_ratio

NOTE = (
    "Median over seeds. Start: the process from its beginning, and reading the data. Rounds: all "
    "that happens in them but the training of the delivered target, which every arm pays alike. "
    "Counted: training, inference and selection. A speed-up leaves out the start, encoding, "
    "warm-up, evaluation and checkpoints; the last column counts it all."
)


def has_whole_seconds(arms: Arms) -> bool:
    """Return whether the runs measured more than data selection."""
    return any(_whole(arm) for arm in arms.arms)


def whole_seconds_table(arms: Arms) -> Table:
    """Return each arm's seconds with what a speed-up leaves out."""
    header = ["arm", "start s", "rounds s", "counted s", "left out s", "speed-up", "whole speed-up"]
    rows = []
    for arm in arms.arms:
        whole = _whole(arm)
        if not whole:
            continue
        baseline = arms.baseline_of(arm)
        counted = _counted(arm)
        start = _start(arm)
        rows.append([
            arm.name,
            f"{median(start.values()):.2f}",
            f"{median(whole[seed] - start[seed] for seed in whole):.2f}",
            f"{median(counted[seed] for seed in whole):.2f}",
            f"{median(whole[seed] - counted[seed] for seed in whole):.2f}",
            _speedup(arm, baseline, counted, None if baseline is None else _counted(baseline)),
            _speedup(arm, baseline, whole, None if baseline is None else _whole(baseline)),
        ])  # fmt: skip
    return Table("Whole wall clock beside the counted seconds", header, rows, NOTE)


def _speedup(
    arm: Measured, baseline: Measured | None, ours: BySeed, theirs: Mapping[int, float] | None
) -> str:
    if baseline is None or theirs is None or arm.selector == "none":
        return DASH
    return times(paired_ratio(theirs, ours))


def _start(arm: Measured) -> BySeed:
    return {seed: run[0].opening_seconds or 0.0 for seed, run in arm.arm.runs.items()}


def _counted(arm: Measured) -> BySeed:
    return {seed: sum(line.selection_seconds for line in run) for seed, run in arm.arm.runs.items()}


def _whole(arm: Measured) -> BySeed:
    """Return the seconds from the process's start to the last selection, of runs that have them."""
    found: BySeed = {}
    for seed, run in arm.arm.runs.items():
        rounds = [line.whole_seconds for line in run if line.whole_seconds is not None]
        if len(rounds) == len(run) and run[0].opening_seconds is not None:
            found[seed] = run[0].opening_seconds + sum(rounds)
    return found
