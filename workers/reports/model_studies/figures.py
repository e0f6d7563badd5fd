"""Pictures of studies: the paper's Figures 3 to 5 and 8 to 13."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from workers.reports.figures import draw, finish, panels, strategy_title, styles
from workers.reports.model_studies.measured import Study, StudyModel
from workers.reports.statistics import Estimate, estimate

RESIDUAL = ("preact", "resnet", "resnext", "wide_resnet", "densenet", "mobilenet")
TIME = "#8a6d3b"
MANY = 8  # models beyond which names stand upright and depths apart
Matrix = Mapping[tuple[str, str], Estimate | None]


def error_by_depth_and_epoch(study: Study, title: str) -> Figure:
    """Return Figures 4 and 5: error and time by depth; error by epoch and by time as it trains."""
    unit, factor = _unit(study)
    goes_on = any(len(model.epochs) > 1 for model in study.models.values())
    height = max(4.2, 0.18 * len(study.models) + 1.2)
    figure, axes = panels(3 if goes_on else 1, title, width=5.0, height=height)
    _draw_depths(axes[0], study, unit, factor)
    if not goes_on:
        figure.set_figwidth(max(5.6, 0.36 * len(study.models) + 2.0))
        return figure
    style = styles(study.models)
    for name, model in study.models.items():
        errors = {epoch: estimate([ln.error for ln in model.at(epoch)]) for epoch in model.epochs}
        epochs = {float(epoch): error for epoch, error in errors.items()}
        times = {factor * _minutes(model, epoch): error for epoch, error in errors.items()}
        draw(axes[1], epochs, label=name, style=style[name])
        draw(axes[2], times, label=None, style=style[name])
    axes[1].set(xlabel="epoch", ylabel="top-1 error [%]", title="Over the course of training")
    axes[1].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[2].set(xlabel=f"training time [{unit}]", ylabel="top-1 error [%]")
    axes[2].set_title("By training time")
    for panel in axes[1:]:
        finish(panel, legend=False)
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    return figure


def heatmaps(shown: Mapping[str, Matrix], title: str, label: str, axis: str = "") -> Figure:
    """Return one panel per matrix of correlations, with its title and its numbers.

    Args:
        shown: title -> (row, column) -> mean; None leaves the cell empty.
        title: of the whole picture.
        label: of the colours.
        axis: what rows and columns are, where their names do not tell.
    """
    n = max(len(_names(matrix)) for matrix in shown.values())
    side = min(max(3.2, 0.5 * n + 1.2), 11.0)
    figure, axes = panels(len(shown), title, width=side + 1.2, height=side + 0.4)
    for panel, (name, matrix) in zip(axes, shown.items(), strict=True):
        _draw_matrix(panel, matrix, name, label)
        panel.set(xlabel=axis, ylabel=axis)
    return figure


def correlation_as_training_goes_on(
    curves: Mapping[str, Mapping[str, Mapping[int, Estimate]]], reference: str, title: str
) -> Figure:
    """Return Figures 11 and 12: correlation with the reference's last epoch, by epoch and model."""
    figure, axes = panels(len(curves), title)
    for panel, (ranking, by_model) in zip(axes, curves.items(), strict=True):
        style = styles(by_model)
        for name, points in by_model.items():
            by_epoch = {float(epoch): value for epoch, value in points.items()}
            draw(panel, by_epoch, label=name, style=style[name], scale=1.0)
        panel.set(
            xlabel="epoch",
            ylabel=f"Spearman's correlation with {reference}",
            title=ranking_title(ranking),
        )
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        finish(panel)
    return figure


def ranking_title(ranking: str) -> str:
    """Return a ranking's name as the paper writes it."""
    return strategy_title(ranking.removesuffix("_rank"))


def residual_first(names: Sequence[str]) -> list[str]:
    """Return the names with the residual architectures (and DenseNets) before the others."""
    return sorted(names, key=lambda name: not is_residual(name))


def is_residual(name: str) -> bool:
    """Whether features of earlier layers reach later ones directly, by the architecture's name."""
    return name.startswith(RESIDUAL) or (name[:1] == "R" and name[1:2].isdigit())


def _draw_depths(axes: Axes, study: Study, unit: str, factor: float) -> None:
    models = [(n, m) for n, m in study.models.items() if m.error is not None]
    is_many = len(models) > MANY
    has_depth = not is_many and all(model.depth is not None for _, model in models)
    if has_depth:
        models.sort(key=lambda item: item[1].depth or 0)
    places = [float(m.depth or 0) if has_depth else float(i) for i, (_, m) in enumerate(models)]
    errors = {x: model.error for x, (_, model) in zip(places, models, strict=True)}
    minutes = {x: model.minutes for x, (_, model) in zip(places, models, strict=True)}
    known = {x: value for x, value in errors.items() if value is not None}
    timed = {x: value for x, value in minutes.items() if value is not None}
    line, dashes = ("none", "none") if is_many else ("-", "--")
    error = draw(axes, known, label="top-1 error", style=("#0072b2", "o"), line=line)
    right = axes.twinx()
    time = draw(right, timed, label="training time", style=(TIME, "s"), line=dashes, scale=factor)
    right.set_ylabel(f"training time [{unit}]")
    right.set_ylim(bottom=0)
    axes.set_xticks(places, [name for name, _ in models], rotation=90 if is_many else 0)
    axes.set(xlabel="model", ylabel="top-1 error [%]", title="Varying model sizes")
    axes.grid(visible=True, alpha=0.25)
    axes.legend(handles=[error, time], loc="lower center", bbox_to_anchor=(0.5, 1.07), ncols=2)


def _draw_matrix(axes: Axes, matrix: Matrix, title: str, label: str) -> None:
    names = _names(matrix)
    means = np.full((len(names), len(names)), np.nan)
    for row, first in enumerate(names):
        for column, second in enumerate(names):
            value = matrix.get((first, second))
            if value is not None:
                means[row, column] = value.mean
    low = min(0.0, float(np.nanmin(means))) if np.isfinite(means).any() else 0.0
    image = axes.imshow(means, vmin=low, vmax=1.0, cmap="YlGnBu")
    size = 9 if len(names) <= MANY else 6.5
    for row, column in np.argwhere(np.isfinite(means)).tolist():
        value = means[row, column]
        colour = "white" if value - low > 0.55 * (1 - low) else "#1f2933"
        axes.text(
            column, row, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=size
        )
    turned = 90 if max(map(len, names)) > 6 else 0
    axes.set_xticks(range(len(names)), names, fontsize=size, rotation=turned)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.set_title(title)
    axes.figure.colorbar(image, ax=axes, shrink=0.8, label=label)
    _box_residual(axes, names)


def _box_residual(axes: Axes, names: Sequence[str]) -> None:
    """Draw Figure 8's black box around the residual architectures, if there are others."""
    n = sum(map(is_residual, names))
    if 0 < n < len(names) and all(map(is_residual, names[:n])):
        axes.add_patch(
            Rectangle((-0.5, -0.5), n, n, fill=False, edgecolor="black", linewidth=2, clip_on=False)
        )


def _names(matrix: Matrix) -> list[str]:
    return list(dict.fromkeys(name for pair in matrix for name in pair))


def _minutes(model: StudyModel, epoch: int) -> float:
    return float(np.mean([line.train_seconds for line in model.at(epoch)])) / 60


def _unit(study: Study) -> tuple[str, float]:
    """Return the unit of the time axes, and how many of it are in a minute."""
    longest = max(m.minutes.mean for m in study.models.values() if m.minutes is not None)
    return ("minutes", 1.0) if longest >= 2 else ("seconds", 60.0)
