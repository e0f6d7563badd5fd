"""Plots of results."""

from collections.abc import Sequence
from pathlib import Path

from workers.simulation.results import PARTS, ArmResult

COLOURS = {"proxy": "#0b6e99", "target": "#c8553d", "uniform": "#6b7280"}
PART_COLOURS = {"training": "#0b6e99", "inference": "#7fb7be", "selection": "#e9c46a"}


def plot_arms(arms: Sequence[ArmResult], path: Path, title: str) -> None:
    """Write a PNG: target error by labels of each arm, and data selection seconds by part."""
    import matplotlib as mpl  # noqa: PLC0415 - heavy

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the backend is chosen
    from matplotlib.ticker import LogLocator, NullFormatter  # noqa: PLC0415 - heavy

    figure, (errors, seconds) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    figure.suptitle(title)
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
    left = [0.0] * len(arms)
    names = [arm.name for arm in arms]
    for part in PARTS:
        widths = [arm.seconds.get(part, 0.0) for arm in arms]
        seconds.barh(names, widths, left=left, label=part, color=PART_COLOURS[part])
        left = [a + b for a, b in zip(left, widths, strict=True)]
    for row, total in enumerate(left):
        seconds.text(total, row, f" {total:.2f} s", va="center")
    seconds.set(xlabel="seconds over all rounds", title="Data selection seconds by part")
    seconds.set_xlim(0, 1.2 * max(left))
    seconds.invert_yaxis()
    seconds.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)
