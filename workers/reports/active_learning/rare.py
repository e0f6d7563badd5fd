"""Rare classes in a report: how many of their items were found, and how well they are known."""

from collections.abc import Callable, Mapping
from typing import Any

from matplotlib.axes import Axes

from workers.reports.active_learning.figures import look_of_arms
from workers.reports.active_learning.measured import Arms, BySeed, Measured
from workers.reports.cells import DASH, columns, difference, interval
from workers.reports.document import Picture, Table
from workers.reports.figures import draw, finish, panels
from workers.reports.statistics import Estimate, estimate, mean_of, paired
from workers.simulation.active_learning.lines import RoundLine

NOTE = (
    "Found: the share of the pool's items of the rare classes that are labeled. Recall: the share "
    "of their evaluation items that the target finds, averaged over these classes. In percent, "
    "differences in percentage points and paired by seed, with 95% intervals by Student's t over "
    "seeds."
)
ByLabels = Mapping[int, BySeed]


def has_rare(arms: Arms) -> bool:
    """Return whether any run made classes rare."""
    return any(found_shares(arm) for arm in arms.arms)


def found_shares(arm: Measured) -> dict[int, BySeed]:
    """Return the share of the pool's rare items that is labeled, labels -> seed -> 0..1."""
    return arm.by_labels(
        lambda line, _after: (
            line.n_rare / line.n_rare_in_pool
            if line.n_rare is not None and line.n_rare_in_pool
            else None
        )
    )


def recalls(arm: Measured) -> dict[int, BySeed]:
    """Return the target's mean recall of the rare classes, labels -> seed -> 0..1.

    Where the target selects for itself, a round's target is the next round's selector.
    """

    def of_target(line: RoundLine, after: RoundLine | None) -> float | None:
        if line.target_error is None and after is not None:
            return after.proxy_rare_recall
        return line.target_rare_recall

    return arm.by_labels(of_target)


def rare_parts(arms: Arms, title: str) -> list[Table | Picture]:
    """Return the table and the picture."""
    return [rare_table(arms), rare_picture(arms, title)]


def rare_table(arms: Arms) -> Table:
    """Return what each arm found of the rare classes at each number of labels."""
    header = ["arm", "labels", "found items", "of", "found", "95% interval", "minus uniform"]
    header += ["recall", "95% interval", "minus uniform"]
    rows = []
    for arm in arms.arms:
        shares, known = found_shares(arm), recalls(arm)
        for n in shares:
            counts, in_pool = _counts(arm, n)
            rows.append([
                arm.name, f"{n:,}", f"{counts.mean:.1f}", f"{in_pool.mean:.0f}",
                *_cells(shares, n, arms, arm, found_shares),
                *_cells(known, n, arms, arm, recalls),
            ])  # fmt: skip
    return Table("Rare classes", header, rows, NOTE)


def rare_picture(arms: Arms, title: str) -> Picture:
    """Return the curves of what was found and of the target's recall, with 95% intervals."""
    figure, (left, right) = panels(2, title)
    _draw(left, arms, found_shares, "items of rare classes found [%]")
    _draw(right, arms, recalls, "the target's recall of rare classes [%]")
    note = "Bars are 95% intervals over seeds; the arms share the labels of the first round."
    return Picture("rare-classes", "Rare classes by budget", figure, note)


def rare_records(arms: Arms) -> list[dict[str, Any]]:
    """Return the table as numbers, shares in 0..1."""
    return [
        {"arm": arm.name, "strategy": arm.strategy, "labels": n}
        | columns("found_items", _counts(arm, n)[0])
        | columns("found", mean_of(shares, n))
        | columns("recall", mean_of(recalls(arm), n))
        for arm in arms.arms
        for shares in [found_shares(arm)]
        for n in shares
    ]


def _cells(
    values: ByLabels, n: int, arms: Arms, arm: Measured, of: Callable[[Measured], ByLabels]
) -> list[str]:
    share = mean_of(values, n)
    if share is None:
        return [DASH, DASH, DASH]
    other = arms.uniform
    against = None
    if other is not None and other is not arm:
        against = paired(values[n], of(other).get(n, {}))
    return [f"{100 * share.mean:.1f}", interval(share), difference(against)]


def _counts(arm: Measured, n: int) -> tuple[Estimate, Estimate]:
    lines = [line for run in arm.arm.runs.values() for line in run if line.n_labeled == n]
    known = [line for line in lines if line.n_rare is not None]
    return (
        estimate([float(line.n_rare or 0) for line in known]),
        estimate([float(line.n_rare_in_pool or 0) for line in known]),
    )


def _draw(axes: Axes, arms: Arms, of: Callable[[Measured], ByLabels], label: str) -> None:
    for arm, style, shift in look_of_arms(arms):
        points = {float(n): estimate(list(by_seed.values())) for n, by_seed in of(arm).items()}
        if points:
            draw(axes, points, label=arm.name, style=style, shift=shift, shows_interval=True)
    axes.set(xlabel="labels", ylabel=label)
    finish(axes)
