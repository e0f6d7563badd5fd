"""Pictures of active learning: the paper's Figure 6, paired differences, seconds by part."""

from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from workers.reports.active_learning.measured import Arms, BySeed, Measured
from workers.reports.figures import (
    CHANCE,
    draw,
    draw_seconds,
    finish,
    panels,
    shifts,
    short_name,
    strategy_title,
    styles,
)
from workers.reports.paper_numbers import n_train
from workers.reports.statistics import Estimate, estimate
from workers.simulation.results import PARTS


def error_by_budget(arms: Arms, title: str) -> Figure:
    """Return Figure 6: one panel per strategy; the target's error solid, the proxy's dotted."""
    strategies = [s for s in dict.fromkeys(a.strategy for a in arms.arms) if s != "uniform"]
    figure, axes = panels(max(len(strategies), 1), title)
    for strategy, panel in zip(strategies or ["uniform"], axes, strict=True):
        draw_strategy(panel, arms, strategy)
    return figure


def differences_and_seconds(arms: Arms, title: str) -> Figure:
    """Return each arm's paired difference to its baseline by budget, and its seconds by part."""
    figure, (differences, seconds) = panels(2, title)
    style = _styles(arms)
    for shift, arm in zip(_shifts(arms), arms.arms, strict=True):
        found = arms.differences(arm, arms.baseline_of(arm))
        points = {_x(arms, n): difference for n, difference in found.items()}
        if points:
            draw(
                differences,
                points,
                label=arm.name,
                style=style[arm.name],
                shift=shift,
                shows_interval=True,
            )
    differences.axhline(0, color="#1f2933", linewidth=1)
    differences.set(
        xlabel=_x_label(arms),
        ylabel="error minus the baseline's [points]",
        title="Paired difference, 95% interval",
    )
    finish(differences, legend=bool(differences.get_legend_handles_labels()[0]))
    by_part = {part: [median(arm.seconds_by_part[part]) for arm in arms.arms] for part in PARTS}
    draw_seconds(seconds, [arm.name for arm in arms.arms], by_part)
    return figure


def draw_strategy(axes: Axes, arms: Arms, strategy: str) -> None:
    """Draw the errors by budget of the arms that select by this strategy, and of uniform."""
    labels = {arm.name: _label(arms, arm) for arm in arms.arms}
    by_label = styles(labels[arm.name] for arm in arms.arms if arm.strategy != "uniform")
    style = {name: by_label.get(label, (CHANCE, "x")) for name, label in labels.items()}
    shown = [a for a in arms.arms if a.strategy in (strategy, "uniform")]
    steps = dict(zip([a.name for a in arms.arms], _shifts(arms), strict=True))
    for arm in shown:
        points = _by_budget(arms, arm.errors)
        draw(
            axes,
            points,
            label=labels[arm.name],
            style=style[arm.name],
            shift=steps[arm.name],
        )
        if not arm.is_target and arm.selector_errors:
            draw(
                axes,
                _by_budget(arms, arm.selector_errors),
                label=f"{short_name(arm.selector)}, the proxy",
                style=style[arm.name],
                line=":",
                shift=steps[arm.name],
            )
    axes.set(xlabel=_x_label(arms), ylabel="top-1 error [%]", title=strategy_title(strategy))
    axes.xaxis.set_major_locator(FixedLocator([_x(arms, n) for n in arms.budgets], nbins=8))
    finish(axes)


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
    found = styles(arm.name for arm in arms.arms if arm.strategy != "uniform")
    return found | {arm.name: (CHANCE, "x") for arm in arms.arms if arm.strategy == "uniform"}


def _label(arms: Arms, arm: Measured) -> str:
    """Return an arm as the paper writes it: R20-R164, R20 selecting for R164."""
    target = short_name(arms.target)
    if arm.strategy == "uniform":
        return f"random, {target}"
    if arm.is_target:
        return f"{target} (baseline)"
    label = f"{short_name(arm.selector)}-{target}"
    same = [
        a
        for a in arms.arms
        if (a.strategy, a.selector) == (arm.strategy, arm.selector) and a is not arm
    ]
    return f"{label}, {arm.name}" if same else label
