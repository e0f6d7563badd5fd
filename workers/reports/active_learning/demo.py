"""The report of `make demo`: the report of its run, and one picture and its figures beside it."""

import json
import os
import platform
import time
from pathlib import Path
from statistics import median

from matplotlib.figure import Figure
from rich.console import Console

from workers.reports.active_learning.figures import draw_strategies
from workers.reports.active_learning.measured import Arms, Measured, measure
from workers.reports.active_learning.rare import found_shares
from workers.reports.active_learning.report import active_learning_document, point_records
from workers.reports.cells import mean_std, times, with_cpu
from workers.reports.document import Picture, Table
from workers.reports.figures import draw_seconds, panels
from workers.reports.sources import read_sources
from workers.reports.statistics import Estimate, mean_of
from workers.simulation.active_learning.kind import ActiveLearning
from workers.simulation.results import PARTS, software_versions


def write_demo(run: Path, seconds: float, out: Path, console: Console) -> None:
    """Write the run's report, demo.png and demo.json to `out`; print a table and the savings."""
    sources = read_sources(ActiveLearning(), {run: run})
    arms, _ = measure(sources)
    page = active_learning_document(sources).write(out)
    experiment = sources[0].experiment
    seeds = sorted(arms.arms[0].arm.runs)
    figure = demo_figure(arms, f"{experiment.title}, {len(seeds)} seeds")
    (out / "demo.png").write_bytes(Picture("demo", experiment.title, figure).png())
    facts = {
        "command": "make demo",
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} CPU cores, {platform.machine()}",
        "versions": software_versions(),
        "seeds": seeds,
        "seconds": seconds,
        "experiment": experiment.model_dump(mode="json"),
        "points": point_records(arms),
        "selection_seconds": {arm.name: arm.seconds_by_part for arm in arms.arms},
        "selection_cpu_seconds": {arm.name: arm.cpu_seconds for arm in arms.arms},
    }
    (out / "demo.json").write_text(json.dumps(facts, indent=2) + "\n")
    console.print(demo_table(arms).for_terminal())
    console.print(summary(arms))
    console.print(f"Report: {page}; figures: {out}/demo.json")


def demo_figure(arms: Arms, title: str) -> Figure:
    """Return a picture: errors by labels of each arm, and data selection seconds by part."""
    figure, (errors, seconds) = panels(2, title)
    draw_strategies(errors, arms, [_arm(arms, "target").strategy])
    by_part = {part: [median(arm.seconds_by_part[part]) for arm in arms.arms] for part in PARTS}
    draw_seconds(seconds, [arm.name for arm in arms.arms], by_part)
    return figure


def demo_table(arms: Arms) -> Table:
    """Return each arm's error and data selection seconds, in 80 columns."""
    rows = []
    for arm in arms.arms:
        last, baseline = max(arm.errors), arms.baseline_of(arm)
        rows.append(
            [
                arm.name,
                arm.selector,
                f"{last:,}",
                f"{mean_std(arm.error(last))}%",
                f"{_selection_seconds(arm):.1f}",
                with_cpu(times(arm.speedup(last, baseline)), arm.cpu_speedup(last, baseline)),
            ]
        )
    header = ["arm", "selector", "labels", "error", "selection s", "speed-up"]
    return Table("The target's error, and seconds of data selection", header, rows)


def summary(arms: Arms) -> str:
    """Return the proxy's savings, in seconds and labels, and what it found of rare classes."""
    proxy, target, uniform = (_arm(arms, name) for name in ("proxy", "target", "uniform"))
    last = max(proxy.errors)
    seconds = _selection_seconds(target) - _selection_seconds(proxy)
    goal = _mean(uniform.error(last))
    reached = next(n for n in [*proxy.errors, last] if n == last or _mean(proxy.error(n)) <= goal)
    labels = "it saved no labels over uniform"
    if reached < last:
        labels = f"with {last - reached} labels fewer it reached uniform's error at {last}"
    saved = f"{seconds:.1f} s of data selection ({times(proxy.speedup(last, target))})"
    return f"The proxy saved {saved} a seed; {labels}.{_rare(proxy, uniform, last)}"


def _rare(proxy: Measured, uniform: Measured, last: int) -> str:
    """Return how much of the rare classes both found; "" where no class is rare."""
    shares = [mean_of(found_shares(arm), last) for arm in (proxy, uniform)]
    if None in shares:
        return ""
    of_proxy, of_uniform = (f"{100 * _mean(share):.0f}%" for share in shares)
    return f" It found {of_proxy} of the rare classes' items, uniform selection {of_uniform}."


def _arm(arms: Arms, name: str) -> Measured:
    return next(arm for arm in arms.arms if arm.name == name)


def _selection_seconds(arm: Measured) -> float:
    return sum(median(seconds) for seconds in arm.seconds_by_part.values())


def _mean(value: Estimate | None) -> float:
    return float("inf") if value is None else value.mean
