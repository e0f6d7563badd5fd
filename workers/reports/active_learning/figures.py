"""Pictures of active learning: the paper's Figure 6, paired differences, seconds by part."""

from collections.abc import Mapping, Sequence
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from workers.reports.active_learning.measured import Arms, BySeed, Measured
from workers.reports.figures import (
    CHANCE,
    MARKERS,
    PALETTE,
    draw,
    draw_seconds,
    finish,
    panels,
    shifts,
    strategy_title,
    styles,
)
from workers.reports.paper_numbers import n_train
from workers.reports.statistics import Estimate, estimate
from workers.simulation.results import PARTS


def error_by_budget(arms: Arms, title: str) -> Figure:
    """Return Figure 6: the target's error solid, the proxy's dotted.

    Where several selectors share a strategy, each strategy has a panel, all of one scale; else all
    arms stand in one.
    """
    selecting = [arm for arm in arms.arms if arm.strategy != "uniform"]
    strategies = list(dict.fromkeys(arm.strategy for arm in selecting))
    shown = [[s] for s in strategies]
    if len(selecting) == len(strategies):
        shown = [strategies]
    figure, axes = panels(max(len(shown), 1), title, has_one_scale=True)
    for together, panel in zip(shown or [[]], axes, strict=True):
        draw_strategies(panel, arms, together)
    return figure


def differences_and_seconds(arms: Arms, title: str) -> Figure:
    """Return the paired differences to the baseline by budget, and the seconds by part.

    What nothing is known of has no panel.
    """
    found = {arm.name: arms.differences(arm, arms.baseline_of(arm)) for arm in arms.arms}
    parts = {part: [median(arm.seconds_by_part[part]) for arm in arms.arms] for part in PARTS}
    has_differences = any(found.values())
    has_seconds = any(map(any, parts.values())) or not has_differences
    figure, axes = panels(has_differences + has_seconds, title)
    if has_differences:
        draw_differences(axes[0], arms, found)
    if has_seconds:
        draw_seconds(axes[-1], [arm.name for arm in arms.arms], parts)
    return figure


def draw_differences(axes: Axes, arms: Arms, found: Mapping[str, Mapping[int, Estimate]]) -> None:
    """Draw each arm's differences to its baseline by budget, arm -> labels -> difference."""
    style = _styles(arms)
    for shift, arm in zip(_shifts(arms), arms.arms, strict=True):
        points = {_x(arms, n): difference for n, difference in found[arm.name].items()}
        if points:
            draw(
                axes,
                points,
                label=arm.name,
                style=style[arm.name],
                shift=shift,
                shows_interval=True,
            )
    axes.axhline(0, color="#1f2933", linewidth=1)
    axes.set(
        xlabel=_x_label(arms),
        ylabel="error minus the baseline's [points]",
        title="Paired difference, 95% interval",
    )
    finish(axes)


def draw_strategies(axes: Axes, arms: Arms, strategies: Sequence[str]) -> None:
    """Draw the errors by budget of the arms that select by these strategies, and of uniform."""
    style = _styles(arms)
    shown = [a for a in arms.arms if a.strategy in (*strategies, "uniform")]
    steps = dict(zip([a.name for a in arms.arms], _shifts(arms), strict=True))
    for arm in shown:
        points = _by_budget(arms, arm.errors)
        draw(
            axes,
            points,
            label=_label(arms, arm),
            style=style[arm.name],
            shift=steps[arm.name],
        )
        if not arm.is_target and arm.selector_errors:
            draw(
                axes,
                _by_budget(arms, arm.selector_errors),
                label=f"{arm.name}: the proxy itself",
                style=style[arm.name],
                line=":",
                shift=steps[arm.name],
            )
    title = strategy_title(strategies[0]) if len(strategies) == 1 else ""
    axes.set(xlabel=_x_label(arms), ylabel="top-1 error [%]", title=title)
    axes.xaxis.set_major_locator(FixedLocator([_x(arms, n) for n in arms.budgets], nbins=8))
    finish(axes)


def look_of_arms(arms: Arms) -> list[tuple[Measured, tuple[str, str], float]]:
    """Return each arm with its colour and marker, and its small step along x in labels."""
    style = _styles(arms)
    return [
        (arm, style[arm.name], step) for arm, step in zip(arms.arms, _shifts(arms), strict=True)
    ]


def _by_budget(arms: Arms, errors: dict[int, BySeed]) -> dict[float, Estimate]:
    return {_x(arms, n): estimate(list(by_seed.values())) for n, by_seed in errors.items()}


def _x(arms: Arms, n: int) -> float:
    return float(n) if arms.dataset is None else 100 * n / n_train(arms.dataset)


def _x_label(arms: Arms) -> str:
    return "labels" if arms.dataset is None else "budget [% of the data]"


def _shifts(arms: Arms) -> list[float]:
    """Return steps along x that set the arms' bars a little apart."""
    widest = _x(arms, arms.budgets[-1]) if arms.budgets else 0.0
    return shifts(len(arms.arms), widest / 150)


def _styles(arms: Arms) -> dict[str, tuple[str, str]]:
    """Return the look of each arm, in every picture the same: by its role, then in turn."""
    targets = [arm.name for arm in arms.arms if arm.is_target]
    others = [a.name for a in arms.arms if not a.is_target and a.strategy != "uniform"]
    found = styles(others, first=1) | {
        name: (PALETTE[0], MARKERS[place % len(MARKERS)]) for place, name in enumerate(targets)
    }
    return found | {arm.name: (CHANCE, "x") for arm in arms.arms if arm.strategy == "uniform"}


def _label(arms: Arms, arm: Measured) -> str:
    """Return an arm's name and which model selects for the target."""
    if arm.strategy == "uniform":
        return f"{arm.name}, {arms.target}"
    if arm.is_target:
        return f"{arm.name}: {arms.target} for itself"
    if arm.selector == arms.target:  # of another recipe
        return arm.name
    return f"{arm.name}: {arm.selector} for {arms.target}"
