"""The table of every point of a report: its error and its differences paired by seed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workers.reports.cells import difference, interval, times
from workers.reports.document import Table
from workers.reports.statistics import Estimate


@dataclass(frozen=True)
class Point:
    """One row.

    Attributes:
        cells: what the point is, and its error as the report prints it.
        error: in 0..1.
        differences: to each of those that it is compared with, in their order.
        speedup: to the baseline.
    """

    cells: Sequence[str]
    error: Estimate
    differences: Sequence[Estimate | None]
    speedup: Estimate | None


def table_of_points(
    title: str,
    header: Sequence[str],
    compared_with: Sequence[str],
    points: Iterable[Point],
    speedup: str = "the speed-up",
) -> Table:
    """Return the points with their intervals, paired differences and speed-ups.

    Args:
        title: of the table.
        header: of each point's cells.
        compared_with: names of those that its differences are to.
        points: the rows.
        speedup: what the note calls the speed-up: of what it is.
    """
    compared = [f"minus {name}" for name in compared_with]
    rows = [
        [
            *point.cells,
            interval(point.error),
            *map(difference, point.differences),
            times(point.speedup),
        ]
        for point in points
    ]
    note = (
        f"Errors in percent, differences in percentage points; differences and {speedup} are "
        "paired by seed, with 95% intervals by Student's t over seeds (of the speed-up: on its "
        "logarithm)."
    )
    return Table(title, [*header, "95% interval", *compared, "speed-up"], rows, note)
