"""Writes the numbers of a report: errors in percent, differences in percentage points."""

from collections.abc import Callable, Collection
from statistics import median
from typing import Any

from workers.reports.document import Bold
from workers.reports.statistics import Estimate

DASH = "-"
SHARED = " (shared machine)"
SHARED_RULE = (
    "Shared machine: other work slowed a part, which took over 1.3 times what its CPU seconds "
    "explain; its speed-up is given in CPU seconds, too."
)
BEST_EPOCH = (
    "The paper prints the best epoch's error: ours is subtracted where that of the best epoch is "
    "known (traps.report_best_epoch), never the last epoch's."
)


def mean_std(share: Estimate | None) -> str:
    """Return a share as the paper prints errors: mean and std in percent; one seed has no std."""
    if share is None:
        return DASH
    std = "" if share.std is None else f" ± {100 * share.std:.2f}"
    return f"{100 * share.mean:.1f}{std}"


def interval(share: Estimate | None) -> str:
    """Return the 95% interval of a share in percent; it ends at 0 and 100."""
    return _ends(share, lambda value: f"{100 * min(max(value, 0.0), 1.0):.1f}")


def difference(points: Estimate | None) -> str:
    """Return a difference of shares in percentage points, with its 95% interval."""
    return _with_ends(points, lambda value: f"{100 * value:+.1f}")


def times(ratio: Estimate | None) -> str:
    """Return a speed-up with its 95% interval."""
    return _with_ends(ratio, lambda value: f"{value:.1f}x")


def ratio_cell(ratio: float | None, is_bold: bool) -> str:  # noqa: FBT001 - mapped over cells
    """Return a speed-up as the paper prints it."""
    if ratio is None:
        return DASH
    return Bold(f"{ratio:.1f}x") if is_bold else f"{ratio:.1f}x"


def with_cpu(cell: str, in_cpu_seconds: Estimate | None) -> str:
    """Return a speed-up of a shared machine with that in CPU seconds beside it, if there is one."""
    if in_cpu_seconds is None or cell == DASH:
        return cell
    words = f"{cell}{SHARED}; {in_cpu_seconds.mean:.1f}x in CPU seconds"
    return Bold(words) if isinstance(cell, Bold) else words


def median_seconds(values: Collection[float]) -> str:
    """Return the median of seconds."""
    return f"{median(values):.2f}" if values else DASH


def minutes(value: Estimate | None) -> str:
    """Return minutes with their std; below ten with one digit more."""
    if value is None:
        return DASH
    digits = 0 if value.mean >= 100 else 1 if value.mean >= 10 else 2
    std = "" if value.std is None else f" ± {value.std:.{digits}f}"
    return f"{value.mean:.{digits}f}{std}"


def correlation(value: Estimate | None) -> str:
    """Return a correlation with its 95% interval."""
    return _with_ends(value, lambda number: f"{number:.3f}")


def minus(ours: float | None, paper: float | None, *, scale: float = 1.0, unit: str = "") -> str:
    """Return ours less the paper's, times `scale`, with its sign."""
    if ours is None or paper is None:
        return DASH
    rounded = round(scale * (ours - paper), 1) + 0.0  # no "-0.0"
    return f"{rounded:+.1f}{unit}"


def mean(value: Estimate | None) -> float | None:
    """Return an estimate's mean, if there is one."""
    return None if value is None else value.mean


def columns(name: str, value: Estimate | None) -> dict[str, Any]:
    """Return an estimate as columns of a CSV file; none where there is no estimate."""
    if value is None:
        return {}
    return {
        name: value.mean,
        f"{name}_std": value.std,
        f"{name}_low": value.low,
        f"{name}_high": value.high,
        f"{name}_seeds": value.n_seeds,
    }


def _with_ends(value: Estimate | None, text: Callable[[float], str]) -> str:
    if value is None:
        return DASH
    ends = "" if value.low == value.high else f" ({_ends(value, text)})"  # both None: one seed
    return f"{text(value.mean)}{ends}"


def _ends(value: Estimate | None, text: Callable[[float], str]) -> str:
    if value is None or value.low is None or value.high is None:
        return DASH
    return f"{text(value.low)} to {text(value.high)}"
