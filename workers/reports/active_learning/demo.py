"""The report of `make demo`: a table, a picture and their figures."""

import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from rich.console import Console

from workers.reports.active_learning.speedup_table import speedup_markdown, speedup_table
from workers.reports.document import Picture
from workers.reports.figures import CHANCE, PALETTE, draw_seconds, finish, panels
from workers.simulation.active_learning.config import ActiveLearningConfig
from workers.simulation.active_learning.lines import ArmResult
from workers.simulation.results import PARTS, software_versions


def write_demo(
    arms: Sequence[ArmResult],
    experiment: ActiveLearningConfig,
    seed: int,
    seconds: float,
    out: Path,
    console: Console,
) -> None:
    """Write demo.png, demo.md and demo.json to `out`, and print the table and what was saved."""
    out.mkdir(parents=True, exist_ok=True)
    figure = arms_figure(arms, f"{experiment.title}, one seed")
    (out / "demo.png").write_bytes(Picture("demo", experiment.title, figure).png())
    (out / "demo.md").write_text(speedup_markdown(arms))
    report = {
        "command": "make demo",
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} CPU cores, {platform.machine()}",
        "versions": software_versions(),
        "seed": seed,
        "seconds": seconds,
        "experiment": experiment.model_dump(mode="json"),
        "arms": [arm.to_json() for arm in arms],
    }
    (out / "demo.json").write_text(json.dumps(report, indent=2) + "\n")
    console.print(speedup_table(arms))
    console.print(summary(*arms))
    console.print(f"Picture and figures: {out}/demo.png, demo.md, demo.json")


def arms_figure(arms: Sequence[ArmResult], title: str) -> Figure:
    """Return a picture: target error by labels of each arm, and data selection seconds by part."""
    figure, (errors, seconds) = panels(2, title)
    for arm, colour in zip(arms, (*PALETTE[: len(arms) - 1], CHANCE), strict=True):
        label = arm.name if arm.selector == "none" else f"{arm.name} ({arm.selector})"
        shares = [100 * error for error in arm.target_errors]
        errors.plot(arm.n_labels, shares, marker="o", label=label, color=colour)
    errors.set(xlabel="labels", ylabel="target error [%]", title="Target error by labels")
    errors.set_yscale("log")
    errors.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    errors.yaxis.set_major_formatter("{x:g}")
    errors.yaxis.set_minor_formatter(NullFormatter())
    finish(errors)
    by_part = {part: [arm.seconds.get(part, 0.0) for arm in arms] for part in PARTS}
    draw_seconds(seconds, [arm.name for arm in arms], by_part)
    return figure


def summary(proxy: ArmResult, target: ArmResult, uniform: ArmResult) -> str:
    """Return what the proxy saved: seconds against the target, labels against uniform."""
    ratio = target.selection_seconds / proxy.selection_seconds
    points = zip(proxy.n_labels, proxy.target_errors, strict=True)
    reached = next((n for n, error in points if error <= uniform.target_errors[-1]), None)
    labels = "on this seed it saved no labels over uniform"
    if reached is not None and reached < uniform.n_labels[-1]:
        saved = uniform.n_labels[-1] - reached
        labels = f"with {saved} labels fewer it reached uniform's error at {uniform.n_labels[-1]}"
    seconds = target.selection_seconds - proxy.selection_seconds
    return f"The proxy saved {seconds:.1f} s of data selection ({ratio:.1f}x); {labels}."
