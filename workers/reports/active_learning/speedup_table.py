"""Tables of results for the terminal and for Markdown."""

from collections.abc import Sequence

from rich.table import Table

from workers.simulation.active_learning.lines import ArmResult


def speedup_rows(arms: Sequence[ArmResult]) -> list[list[str]]:
    """Return one row per arm: selector, labels, the target's error, seconds by part, speed-up.

    The speed-up is the target arm's data selection seconds over this arm's.
    """
    baseline = next(arm for arm in arms if arm.name == "target")
    rows = []
    for arm in arms:
        ratio = "-"
        if arm.selector != "none" and arm.selection_seconds:
            ratio = f"{baseline.selection_seconds / arm.selection_seconds:.1f}x"
        rows.append(
            [
                arm.name,
                arm.selector,
                str(arm.n_labels[-1]),
                f"{100 * arm.target_errors[-1]:.1f}%",
                *(f"{arm.seconds.get(part, 0.0):.2f}" for part in PART_HEADERS),
                f"{arm.selection_seconds:.2f}",
                ratio,
            ]
        )
    return rows


PART_HEADERS = {"training": "train s", "inference": "infer s", "selection": "select s"}
HEADER = ("arm", "selector", "labels", "error", *PART_HEADERS.values(), "sum s", "speed-up")


def speedup_table(arms: Sequence[ArmResult]) -> Table:
    """Return the rows as a table for the terminal."""
    table = Table(title="Target error, and data selection seconds by part")
    for column in HEADER:
        table.add_column(column, justify="left" if column in ("arm", "selector") else "right")
    for row in speedup_rows(arms):
        table.add_row(*row)
    return table


def speedup_markdown(arms: Sequence[ArmResult]) -> str:
    """Return the rows as a Markdown table."""
    lines = [HEADER, ["---"] * len(HEADER), *speedup_rows(arms)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
