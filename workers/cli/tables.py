"""Tables and measured values as commands print them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.schemas.measures import IntervalOut


def interval(found: "IntervalOut | None") -> str:
    """Return a measured value with its interval; nothing where there is none."""
    return "" if found is None else f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table with a head."""
    from rich import box  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(*head, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    Console().print(table)
