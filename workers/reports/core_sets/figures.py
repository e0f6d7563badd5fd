"""Pictures of core-sets: the paper's Figures 2 and 7."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from workers.reports.core_sets.measured import EVERYTHING, CoreSets, Kept
from workers.reports.figures import (
    CHANCE,
    draw,
    finish,
    panels,
    shifts,
    strategy_title,
    styles,
)
from workers.reports.statistics import estimate


def error_by_fraction(found: CoreSets, title: str) -> Figure:
    """Return Figure 2: one panel per strategy, the target's error by kept share and selector."""
    strategies = [a.strategy for a in found.arms if a.strategy not in ("uniform", "everything")]
    unique = list(dict.fromkeys(strategies)) or ["uniform"]
    figure, axes = panels(len(unique), title, width=4.8)
    labels = {arm.name: _label(found, arm) for arm in found.arms}
    chosen = [labels[arm.name] for arm in found.arms if arm.strategy in strategies]
    style = styles(chosen) | {"random": (CHANCE, "x")}
    for strategy, panel in zip(unique, axes, strict=True):
        shown = [a for a in found.arms if a.strategy in (strategy, "uniform")]
        for shift, arm in zip(shifts(len(shown), 0.5), shown, strict=True):
            label = labels[arm.name]
            points = {100 * f: estimate(list(errors.values())) for f, errors in arm.errors.items()}
            draw(panel, points, label=label, style=style[label], shift=shift)
        _draw_everything(panel, found)
        _finish(panel, found, strategy)
    return figure


def _draw_everything(axes: Axes, found: CoreSets) -> None:
    whole = None if found.everything is None else found.everything.error(EVERYTHING)
    if whole is None:
        return
    mean, std = 100 * whole.mean, 100 * (whole.std or 0.0)
    axes.axhline(mean, color="#1f2933", linestyle="--", linewidth=1, label="100% of the data")
    axes.axhspan(mean - std, mean + std, color="#1f2933", alpha=0.08, linewidth=0)


def _finish(axes: Axes, found: CoreSets, strategy: str) -> None:
    axes.set(
        xlabel="subset size [% of the data]",
        ylabel=f"top-1 error of {found.target} [%]",
        title=strategy_title(strategy),
    )
    kept = [100 * fraction for fraction in found.fractions if fraction < EVERYTHING]
    axes.xaxis.set_major_locator(FixedLocator(kept))
    axes.xaxis.set_major_formatter("{x:g}")
    finish(axes)


def _label(found: CoreSets, arm: Kept) -> str:
    """Return the selector as the paper writes it; with its epochs where some were cut short."""
    if arm.selector == "none":
        return "random"
    label = f"{arm.selector} (baseline)" if arm.is_target else arm.selector
    epochs = {a.epochs for a in found.arms if a.selector == arm.selector}
    return f"{label}, {arm.epochs} epochs" if len(epochs) > 1 else label
