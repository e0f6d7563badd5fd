"""Plots of results."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from workers.reports.statistics import Point
from workers.simulation.results import PARTS, ArmResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"proxy": "#0b6e99", "target": "#c8553d", "uniform": "#6b7280"}
PART_COLOURS = {"training": "#0b6e99", "inference": "#7fb7be", "selection": "#e9c46a"}


def plot_arms(arms: Sequence[ArmResult], path: Path, title: str) -> None:
    """Write a PNG: target error by labels of each arm, and data selection seconds by part."""
    from matplotlib.ticker import LogLocator, NullFormatter  # noqa: PLC0415 - heavy

    figure, (errors, seconds) = _panels(2, title)
    for arm in arms:
        errors.plot(
            arm.n_labels,
            [100 * error for error in arm.target_errors],
            marker="o",
            label=f"{arm.name} ({arm.selector})" if arm.selector != "none" else arm.name,
            color=COLOURS.get(arm.name),
        )
    errors.set(xlabel="labels", ylabel="target error [%]", title="Target error by labels")
    errors.set_yscale("log")
    errors.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    errors.yaxis.set_major_formatter("{x:g}")
    errors.yaxis.set_minor_formatter(NullFormatter())
    errors.grid(visible=True, alpha=0.25)
    errors.legend()
    _plot_seconds(seconds, arms)
    _save(figure, path)


def plot_report(
    points: Sequence[Point],
    results: Sequence[ArmResult],
    arms: Sequence[str],
    path: Path,
    title: str,
) -> None:
    """Write a PNG: error by labels with intervals, difference to the baseline, seconds by part."""
    figure, (errors, differences, seconds) = _panels(3, title)
    spread = max(p.n_labels for p in points) / 100
    for place, arm in enumerate(arms):
        own = [point for point in points if point.arm == arm]
        # A little apart, so that intervals at the same number of labels can be told apart.
        x = [point.n_labels + spread * (place - (len(arms) - 1) / 2) for point in own]
        for axes, estimates in (
            (errors, [point.error for point in own]),
            (differences, [point.difference for point in own]),
        ):
            known = [(at, e) for at, e in zip(x, estimates, strict=True) if e is not None]
            axes.errorbar(
                [at for at, _ in known],
                [100 * e.mean for _, e in known],
                yerr=[100 * (e.half_width or 0.0) for _, e in known],
                marker="o",
                capsize=3,
                label=arm if known else None,
                color=COLOURS.get(arm),
            )
    errors.set(xlabel="labels", ylabel="target error [%]", title="Target error, 95% interval")
    differences.set(xlabel="labels", ylabel="percentage points", title="Difference to the baseline")
    differences.axhline(0, color="#1f2933", linewidth=1)
    for axes in (errors, differences):
        axes.grid(visible=True, alpha=0.25)
        axes.legend()
    _plot_seconds(seconds, results)
    _save(figure, path)


def _panels(n: int, title: str) -> "tuple[Figure, Sequence[Axes]]":
    import matplotlib as mpl  # noqa: PLC0415 - heavy

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the backend is chosen

    figure, axes = plt.subplots(1, n, figsize=(5.5 * n, 4.2), layout="constrained")
    figure.suptitle(title)
    return figure, axes


def _plot_seconds(axes: "Axes", results: Sequence[ArmResult]) -> None:
    """Draw stacked bars: the median over seeds of each part's seconds, arm by arm."""
    names = list(dict.fromkeys(result.name for result in results))
    left = [0.0] * len(names)
    for part in PARTS:
        widths = [
            median(result.seconds.get(part, 0.0) for result in results if result.name == name)
            for name in names
        ]
        axes.barh(names, widths, left=left, label=part, color=PART_COLOURS[part])
        left = [a + b for a, b in zip(left, widths, strict=True)]
    for row, total in enumerate(left):
        axes.text(total, row, f" {total:.2f} s", va="center")
    axes.set(xlabel="seconds over all rounds", title="Data selection seconds by part")
    axes.set_xlim(0, 1.25 * (max(left) or 1))
    axes.invert_yaxis()
    axes.legend(loc="lower right")


def _save(figure: "Figure", path: Path) -> None:
    from matplotlib import pyplot as plt  # noqa: PLC0415 - heavy

    figure.savefig(path, dpi=120)
    plt.close(figure)
