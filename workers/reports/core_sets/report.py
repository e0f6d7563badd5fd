"""The report of core-sets: Tables 2 to 4 (errors, minutes) and Figures 2 and 7."""

from collections.abc import Sequence
from typing import Any

from workers.reports.cells import (
    BEST_EPOCH,
    DASH,
    SHARED_RULE,
    columns,
    mean,
    mean_std,
    minus,
    minutes,
    ratio_cell,
    with_cpu,
)
from workers.reports.core_sets.figures import error_by_fraction
from workers.reports.core_sets.measured import CoreSets, Kept, Sources, lacks, measure
from workers.reports.document import Document, Picture, Table
from workers.reports.paper_numbers import NOTHING
from workers.reports.points import Point, table_of_points
from workers.reports.sources import facts_of, gaps_of, title_of
from workers.reports.statistics import estimate, mean_of

RULE = (
    "A speed-up is bold where the error is at most one std above the mean error of the baseline "
    "(B), the target selecting for itself: the rule of the paper's Table 1; its Tables 2 to 4 have "
    "no bold."
)


def core_set_document(sources: Sources) -> Document:
    """Return the report of folders of core-sets of one data set.

    Raises:
        ExperimentError: their targets differ.
    """
    found, merged = measure(sources)
    errors = error_table(found)
    return Document(
        title=title_of(sources),
        facts=facts_of(sources),
        gaps=gaps_of(sources, merged, lambda arm, seed: lacks(sources, arm, seed)),
        main=[
            errors,
            minutes_table(found),
            Picture(
                "error-by-fraction",
                "Error by share of the data kept",
                error_by_fraction(found, title_of(sources)),
                "As the paper's Figures 2 and 7: bars are one std over seeds.",
            ),
            points_table(found),
        ],
        details=[],
        short=errors,
        records={"core-sets": records(found)},
    )


def error_table(found: CoreSets) -> Table:
    """Return the target's error by share, in the form of Tables 2 to 4."""
    names = [f"{fraction:.0%}" for fraction in found.fractions]
    rows: list[list[str]] = []
    for arm in found.arms:
        ours = [mean_std(arm.error(fraction)) for fraction in found.fractions]
        best = [mean_std(mean_of(arm.best_errors, f)) for f in found.fractions]
        lines = [("ours", ours)]
        if arm.best_errors:
            lines.append(("ours, best epoch", best))
        if _is_in_paper(arm, found.fractions):
            lines.append(("paper", [mean_std(arm.paper(f).error) for f in found.fractions]))
            lines.append(("ours - paper", [_minus_paper(arm, f) for f in found.fractions]))
        rows += _under(found, arm, lines)
    return Table(
        "Target error by share of the data kept",
        [*_who_header(found), *names],
        rows,
        "Mean ± std over seeds, in percent, after the last epoch."
        + ("" if found.dataset is None else f" {BEST_EPOCH}"),
    )


def minutes_table(found: CoreSets) -> Table:
    """Return selection and total minutes by share, and the end-to-end speed-up."""
    shares = [fraction for fraction in found.fractions if fraction < 1] or found.fractions
    kept = [arm for arm in found.arms if not arm.is_everything]
    rows: list[list[str]] = []
    for arm in kept:
        selection = [minutes(mean_of(arm.selection_minutes, f)) for f in shares]
        total = [minutes(mean_of(arm.total_minutes, f)) for f in shares]
        ratios = [
            with_cpu(
                ratio_cell(mean(found.speedup(arm, f)), found.is_bold(arm, f)),
                found.cpu_speedup(arm, f),
            )
            for f in shares
        ]
        lines = [("ours", selection + total + ratios)]
        if _is_in_paper(arm, shares):
            lines.append(("paper", _paper_minutes(found, arm, shares)))
        rows += _under(found, arm, lines)
    names = [f"{fraction:.0%}" for fraction in shares]
    whole = None if found.everything is None else mean_of(found.everything.total_minutes, 1.0)
    return Table(
        "Minutes, and speed-up against training on everything",
        [
            *_who_header(found),
            *(f"selection, {name}" for name in names),
            *(f"total, {name}" for name in names),
            *(f"speed-up, {name}" for name in names),
        ],
        rows,
        f"Training the target on everything took {minutes(whole)} minutes (mean ± std over seeds, "
        f"as all here). Total: selection and training the target on what is kept. {RULE}"
        + ("" if found.dataset is None else " The paper's minutes are those of its GPUs.")
        + (f" {SHARED_RULE}" if any(arm.is_shared for arm in found.arms) else ""),
    )


def points_table(found: CoreSets) -> Table:
    """Return every core-set with its intervals and paired differences."""
    points = []
    for arm in found.arms:
        others = (found.baseline_of(arm), found.uniform, found.everything)
        differences = [found.differences(arm, other) for other in others]
        for fraction, errors in arm.errors.items():
            error = estimate(list(errors.values()))
            cells = [arm.name, f"{fraction:.0%}", str(error.n_seeds), mean_std(error)]
            compared = [some.get(fraction) for some in differences]
            points.append(Point(cells, error, compared, found.speedup(arm, fraction)))
    return table_of_points(
        "Every core-set",
        ["arm", "kept", "seeds", "error"],
        ["baseline", "uniform", "everything"],
        points,
        speedup="the speed-up of the whole way",
    )


def records(found: CoreSets) -> list[dict[str, Any]]:
    """Return the core-sets as numbers, errors in 0..1."""
    rows = []
    for arm in found.arms:
        for fraction in arm.errors:
            rows.append(  # noqa: PERF401 - a comprehension of this size reads badly
                {
                    "arm": arm.name,
                    "strategy": arm.strategy,
                    "selector": arm.selector,
                    "selector_epochs": arm.epochs,
                    "fraction": fraction,
                }
                | columns("error", arm.error(fraction))
                | columns("best_error", mean_of(arm.best_errors, fraction))
                | columns("selection_minutes", mean_of(arm.selection_minutes, fraction))
                | columns("total_minutes", mean_of(arm.total_minutes, fraction))
                | columns(
                    "minus_baseline",
                    found.differences(arm, found.baseline_of(arm)).get(fraction),
                )
                | columns("minus_uniform", found.differences(arm, found.uniform).get(fraction))
                | columns(
                    "minus_everything", found.differences(arm, found.everything).get(fraction)
                )
                | columns("speedup", found.speedup(arm, fraction))
                | columns("cpu_speedup", found.cpu_speedup(arm, fraction))
                | columns("paper_error", arm.paper(fraction).error)
            )
    return rows


def _who_header(found: CoreSets) -> list[str]:
    several = found.dataset is not None or any(arm.best_errors for arm in found.arms)
    return ["strategy", "selector", "epochs", *([""] if several else [])]


def _under(found: CoreSets, arm: Kept, lines: Sequence[tuple[str, list[str]]]) -> list[list[str]]:
    """Return an arm's rows below each other, its name on the first."""
    selector = f"{arm.selector} (B)" if arm.is_target else arm.selector
    who = [arm.strategy, selector, DASH if arm.epochs is None else str(arm.epochs)]
    rows = []
    for place, (whose, cells) in enumerate(lines):
        names = who if place == 0 else [""] * len(who)
        rows.append([*names, *([whose] if len(_who_header(found)) > len(who) else []), *cells])
    return rows


def _is_in_paper(arm: Kept, shares: Sequence[float]) -> bool:
    return any(arm.paper(share) is not NOTHING for share in shares)


def _minus_paper(arm: Kept, fraction: float) -> str:
    """Return ours minus the paper's in points: of the best epochs, as the paper counts."""
    ours = mean_of(arm.best_errors, fraction)
    return minus(mean(ours), mean(arm.paper(fraction).error), scale=100)


def _paper_minutes(found: CoreSets, arm: Kept, shares: Sequence[float]) -> list[str]:
    numbers = [arm.paper(share) for share in shares]
    return [
        *(_whole(number.selection_minutes) for number in numbers),
        *(_whole(number.total_minutes) for number in numbers),
        *(
            ratio_cell(found.paper_speedup(arm, share), found.is_bold_in_paper(arm, share))
            for share in shares
        ),
    ]


def _whole(value: float | None) -> str:
    return DASH if value is None else f"{value:.0f}"
