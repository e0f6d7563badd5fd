"""What `make demo` leaves: a table, a picture and their figures."""

import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from workers.reports.plots import plot_arms
from workers.reports.tables import speedup_markdown, speedup_table
from workers.simulation.kinds import ActiveLearningConfig
from workers.simulation.results import ArmResult, software_versions


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
    plot_arms(arms, out / "demo.png", f"{experiment.title}, one seed")
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
