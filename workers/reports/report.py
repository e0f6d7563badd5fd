"""`svp report`: what runs have given, as one self-contained HTML page, Markdown, PNG and CSV."""

import base64
import csv
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.table import Table

from workers.reports.plots import plot_report
from workers.reports.statistics import Estimate, Point, points_of, speedups
from workers.simulation.config import ExperimentError
from workers.simulation.kinds import ActiveLearningConfig
from workers.simulation.load import read_experiment
from workers.simulation.results import PARTS, ArmResult, RoundLine, read_lines, summarize


@dataclass(frozen=True)
class Report:
    """What was written: the page, and the rows of its tables."""

    path: Path
    error_rows: list[list[str]]
    seconds_rows: list[list[str]]

    def table(self) -> Table:
        """Return the seconds and final errors as a table for the terminal."""
        table = Table(*SECONDS_HEADER, title="Data selection seconds by part, median over seeds")
        for row in self.seconds_rows:
            table.add_row(*row)
        return table


ERROR_HEADER = ["arm", "labels", "target error", "95% interval", "difference", "95% interval", "n"]
POINTS = " pp"  # percentage points
SECONDS_HEADER = ["arm", "selector", "train s", "infer s", "select s", "sum s", "speed-up", "error"]


def write_report(folders: Sequence[Path], out: Path) -> Report:
    """Write report.html, report.md, errors.csv, seconds.csv and report.png to `out`.

    Args:
        folders: of runs of one experiment; their seeds are put together.
        out: where the report goes.

    Raises:
        ExperimentError: a folder holds no run, or runs of different experiments are mixed.
    """
    experiment, lines = _read(folders)
    runs = list(lines.values())
    results = [summarize(run) for run in runs]
    points = points_of(results, experiment.baseline)
    out.mkdir(parents=True, exist_ok=True)
    plot_report(points, results, list(experiment.arms), out / "report.png", experiment.title)
    errors = [_error_row(point) for point in points]
    seconds = [_seconds_row(arm, results, points, experiment.baseline) for arm in experiment.arms]
    _write_csv(out / "errors.csv", ERROR_HEADER, errors)
    _write_csv(out / "seconds.csv", SECONDS_HEADER, seconds)
    facts = _facts(experiment, [line for run in runs for line in run])
    page = {
        "title": experiment.title,
        "facts": facts,
        "baseline": experiment.baseline,
        "errors": (ERROR_HEADER, errors),
        "seconds": (SECONDS_HEADER, seconds),
    }
    environment = Environment(
        loader=PackageLoader("workers.reports", ""), autoescape=True, undefined=StrictUndefined
    )
    picture = base64.b64encode((out / "report.png").read_bytes()).decode()
    html = environment.get_template("report.html.j2").render(**page, picture=picture)
    (out / "report.html").write_text(html, encoding="utf-8")
    markdown = environment.overlay(autoescape=False).get_template("report.md.j2").render(**page)
    (out / "report.md").write_text(markdown, encoding="utf-8")
    return Report(out / "report.html", errors, seconds)


def _read(
    folders: Sequence[Path],
) -> tuple[ActiveLearningConfig, dict[tuple[str, int], list[RoundLine]]]:
    experiments = []
    lines: dict[tuple[str, int], list[RoundLine]] = {}
    for folder in folders:
        experiment = read_experiment(folder)
        if not isinstance(experiment, ActiveLearningConfig):
            raise ExperimentError(f"{folder} holds a {experiment.kind}, which has no report yet.")
        experiments.append(experiment)
        lines |= read_lines(folder)
    if len({experiment.hash for experiment in experiments}) > 1:
        names = ", ".join(f"{e.name} ({e.hash})" for e in experiments)
        raise ExperimentError(f"These runs are of different experiments: {names}. Report each.")
    if not lines:
        raise ExperimentError(f"{folders[0]} holds no finished round yet.")
    arms = list(experiments[0].arms)
    order = sorted(lines, key=lambda key: (arms.index(key[0]), key[1]))
    return experiments[0], {key: lines[key] for key in order}


def _facts(experiment: ActiveLearningConfig, lines: Sequence[RoundLine]) -> dict[str, str]:
    budgets = experiment.budgets
    vias = sorted({line.via for line in lines})
    return {
        "experiment": f"{experiment.name} ({experiment.hash})",
        "data": ", ".join(sorted({line.data for line in lines})),
        "seeds": ", ".join(str(seed) for seed in sorted({line.seed for line in lines})),
        "budgets": f"{budgets.initial_budget} + {budgets.round_budget} ... {budgets.total_budget}",
        "ran": " and ".join(
            "through the HTTP service" if v == "service" else "in process" for v in vias
        ),
        "device": ", ".join(sorted({line.device for line in lines})),
        "hardware": f"{os.cpu_count()} CPU cores, {platform.machine()}",
        "versions": ", ".join(f"{k} {v}" for k, v in lines[-1].versions.items()),
        "date": time.strftime("%Y-%m-%d"),
    }


def _error_row(point: Point) -> list[str]:
    difference = point.difference
    return [
        point.arm,
        str(point.n_labels),
        _percent(point.error.mean),
        _interval(point.error),
        "-" if difference is None else _percent(difference.mean, sign=True),
        "-" if difference is None else _interval(difference, sign=True),
        str(point.error.n_seeds),
    ]


def _seconds_row(
    arm: str, results: Sequence[ArmResult], points: Sequence[Point], baseline: str
) -> list[str]:
    runs = [result for result in results if result.name == arm]
    if not runs:
        return [arm, "not run yet", *["-"] * (len(SECONDS_HEADER) - 2)]
    parts = [median(run.seconds[part] for run in runs) for part in PARTS]
    ratios = speedups(results, arm, baseline)
    speedup = "-"
    if ratios and runs[0].selector != "none":
        speedup = f"{median(ratios):.1f}x"
        if len(ratios) > 1:
            speedup += f" ({min(ratios):.1f} to {max(ratios):.1f})"
    last = [point for point in points if point.arm == arm][-1]
    return [
        arm,
        runs[0].selector,
        *(f"{seconds:.2f}" for seconds in parts),
        f"{sum(parts):.2f}",
        speedup,
        f"{_percent(last.error.mean)} at {last.n_labels}",
    ]


def _percent(value: float, *, sign: bool = False) -> str:
    return f"{100 * value:+.1f}{POINTS}" if sign else f"{100 * value:.1f}%"


def _interval(estimate: Estimate, *, sign: bool = False) -> str:
    if estimate.half_width is None:
        return "one seed"
    low, high = estimate.mean - estimate.half_width, estimate.mean + estimate.half_width
    return f"{_percent(low, sign=sign)} to {_percent(high, sign=sign)}"


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
