"""Reads a report for tests: tables by their titles, lines of pictures by their labels."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workers.reports.document import Document, Picture, Table


def table(document: Document, title: str) -> Table:
    """Return the table whose title begins so."""
    (found,) = (b for b in document.blocks if isinstance(b, Table) and b.title.startswith(title))
    return found


def rows_of(shown: Table, *start: str) -> list[list[str]]:
    """Return the row that begins with these cells, and those below it that belong to it."""
    rows = [list(row) for row in shown.rows]
    place = next(i for i, row in enumerate(rows) if row[: len(start)] == list(start))
    below = next((i for i in range(place + 1, len(rows)) if rows[i][0]), len(rows))
    return rows[place:below]


def figure(document: Document, name: str) -> Figure:
    """Return the picture of this name."""
    (found,) = (b for b in document.blocks if isinstance(b, Picture) and b.name == name)
    return found.figure


def series(axes: Axes) -> dict[str, Any]:
    """Return the lines with error bars by their label in the legend."""
    handles, labels = axes.get_legend_handles_labels()
    return {label: getattr(h, "lines", [h])[0] for label, h in zip(labels, handles, strict=True)}
