"""Shared by all pictures: panels, colours and lines."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from workers.reports.statistics import Estimate

# Okabe and Ito's colours, which colour-blind readers can tell apart.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b", "#444444")
MARKERS = "osD^vPX*"
PER_ROW = 3
CHANCE = "#6b7280"  # of what is drawn uniformly
PART_COLOURS = {"training": "#0b6e99", "inference": "#7fb7be", "selection": "#e9c46a"}
STRATEGY_TITLES: Mapping[str, str] = {
    "uniform": "random",
    "k_centers": "greedy k-centers",
    "entropy": "entropy",
    "forgetting_events": "forgetting events",
    "least_confidence": "least confidence",
}


def panels(
    n: int, title: str, *, width: float = 5.2, height: float = 4.2, has_one_scale: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return a figure of `n` panels, `PER_ROW` in a row, each so many inches wide and high.

    With `has_one_scale` all have the same y axis, so that one can be read against another.
    """
    columns = min(n, PER_ROW)
    rows = -(-n // PER_ROW)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    figure.suptitle(title, fontsize=11)
    found: list[Axes] = []
    for place in range(n):
        first = found[0] if found and has_one_scale else None
        found.append(figure.add_subplot(rows, columns, place + 1, sharey=first))
    return figure, found


def strategy_title(strategy: str) -> str:
    """Return a strategy's name as the paper writes it."""
    return STRATEGY_TITLES.get(strategy, strategy.replace("_", " "))


def styles(names: Iterable[str], first: int = 0) -> dict[str, tuple[str, str]]:
    """Return a colour and a marker for each name, the same in every panel.

    `first` is the place of the first name's colour: what comes before it belongs to others.
    """
    unique = list(dict.fromkeys(names))
    return {
        name: (PALETTE[place % len(PALETTE)], MARKERS[place % len(MARKERS)])
        for place, name in enumerate(unique, start=first)
    }


def draw(  # noqa: PLR0913 - by name: how the line looks
    axes: Axes,
    points: Mapping[float, Estimate],
    *,
    label: str | None,
    style: tuple[str, str],
    line: str = "-",
    scale: float = 100.0,
    shift: float = 0.0,
    shows_interval: bool = False,
) -> ErrorbarContainer:
    """Draw a line of means with bars of one std, or of the 95% interval, over seeds.

    Args:
        axes: where.
        points: by x.
        label: of the legend; None leaves the line out of it.
        style: colour and marker.
        line: matplotlib's line style.
        scale: 100 for shares on an axis in percent.
        shift: along x, so that bars at one x can be told apart.
        shows_interval: the bars are the 95% interval.
    """
    colour, marker = style
    bars = np.asarray(
        [p.margins if shows_interval else (p.std or 0.0, p.std or 0.0) for p in points.values()]
    )
    return axes.errorbar(
        [x + shift for x in points],
        [scale * point.mean for point in points.values()],
        yerr=scale * bars.reshape(-1, 2).T,
        label=label,
        color=colour,
        marker=marker,
        markersize=4,
        linestyle=line,
        linewidth=1.4,
        capsize=2.5,
        elinewidth=0.9,
    )


def draw_seconds(axes: Axes, names: Sequence[str], by_part: Mapping[str, Sequence[float]]) -> None:
    """Draw one stacked bar per name of its seconds by part, labeled with the sum."""
    left = [0.0] * len(names)
    for part, widths in by_part.items():
        axes.barh(names, widths, left=left, label=part, color=PART_COLOURS[part])
        left = [a + b for a, b in zip(left, widths, strict=True)]
    for row, total in enumerate(left):
        axes.text(total, row, f" {total:,.1f} s", va="center", fontsize=8)
    axes.set(xlabel="seconds over all rounds", title="Data selection seconds by part")
    axes.set_xlim(0, 1.25 * (max(left) or 1))
    axes.invert_yaxis()
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=len(by_part), fontsize=8)


def finish(axes: Axes, *, legend: bool = True) -> None:
    """Add grid and legend."""
    axes.grid(visible=True, alpha=0.25)
    axes.set_axisbelow(True)
    if legend:
        axes.legend(fontsize=8)


def shifts(n: int, spread: float) -> list[float]:
    """Return `n` small steps around 0 along x."""
    return [spread * (place - (n - 1) / 2) for place in range(n)]
