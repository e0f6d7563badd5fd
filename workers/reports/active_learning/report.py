"""The report of active learning: Table 1 (target error and speed-up by budget) and Figure 6."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from workers.reports.active_learning.figures import differences_and_seconds, error_by_budget
from workers.reports.active_learning.measured import Arms, Measured, Sources, lacks, measure
from workers.reports.active_learning.rare import has_rare, rare_parts, rare_records
from workers.reports.active_learning.whole_seconds import (
    has_whole_seconds,
    whole_seconds_table,
)
from workers.reports.cells import (
    BEST_EPOCH,
    DASH,
    SHARED,
    SHARED_RULE,
    columns,
    mean,
    mean_std,
    median_seconds,
    minus,
    ratio_cell,
    times,
    with_cpu,
)
from workers.reports.document import Document, Picture, Table
from workers.reports.paper_numbers import NOTHING, n_train
from workers.reports.points import Point, table_of_points
from workers.reports.sources import facts_of, gaps_of, recipes_table, title_of
from workers.reports.statistics import estimate, paired
from workers.simulation.results import PARTS

RULE = (
    "Errors: mean ± std over seeds, in percent. A speed-up is bold where the error is at most one "
    "std above the mean error of the baseline (B), by default the target selecting for itself: the "
    "paper's rule."
)
FIGURE_6 = (
    "As the paper's Figure 6: solid lines are the target on the labels selected so far, dotted "
    "ones the proxy on the labels that it selected with; bars are one std over seeds."
)


def active_learning_document(sources: Sources, baseline: str | None = None) -> Document:
    """Return the report of folders of active learning on one data set.

    Args:
        sources: the folders' runs.
        baseline: the arm to compare all others with; by default the target's of their strategy.

    Raises:
        ExperimentError: their budgets, targets or oracles differ, or there is no such arm.
    """
    arms, merged = measure(sources, baseline)
    points, is_rare = sources[0].experiment.budgets.points(), has_rare(arms)
    return Document(
        title=title_of(sources),
        facts=facts_of(sources) | {"labels": ", ".join(f"{n:,}" for n in points)},
        gaps=gaps_of(sources, merged, lambda arm, seed: lacks(sources, arm.runs[seed])),
        main=[
            table_1(arms),
            Picture(
                "error-by-budget",
                "Error by budget",
                error_by_budget(arms, title_of(sources)),
                FIGURE_6,
            ),
            mean_table(arms),
            *(rare_parts(arms, title_of(sources)) if is_rare else []),
            points_table(arms),
        ],
        details=[
            recipes_table(sources),
            seconds_table(arms),
            *([whole_seconds_table(arms)] if has_whole_seconds(arms) else []),
            Picture(
                "differences-and-seconds",
                "Difference to the baseline, and data selection seconds",
                differences_and_seconds(arms, title_of(sources)),
            ),
        ],
        short=seconds_table(arms),
        records={"points": point_records(arms), "selectors": selector_records(arms)}
        | ({"rare": rare_records(arms)} if is_rare else {}),
    )


def table_1(arms: Arms) -> Table:
    """Return the table in the form of the paper's Table 1, with its numbers where comparable."""
    budgets = arms.budgets[1:] or arms.budgets  # before the first selection all arms are the same
    names = [_budget(n, arms.dataset) for n in budgets]
    several = arms.dataset is not None or any(arm.best_errors for arm in arms.arms)
    header = [
        "arm",
        "strategy",
        "selector",
        *([""] if several else []),
        *(f"error at {name}" for name in names),
        *(f"speed-up at {name}" for name in names),
    ]
    rows = []
    for arm in arms.arms:
        mark = " (B)" if arms.baseline_of(arm) is arm else ""
        who = [f"{arm.name}{mark}", arm.strategy, arm.selector]
        for whose, cells in _lines(arms, arm, budgets):
            rows.append([*who, *([whose] if several else []), *cells])
            who = ["", "", ""]
    note = RULE if arms.dataset is None else f"{RULE} {BEST_EPOCH}"
    note += _shared_rule(arms)
    return Table("Target error and data selection speed-up by budget", header, rows, note)


def _lines(arms: Arms, arm: Measured, budgets: Sequence[int]) -> list[tuple[str, list[str]]]:
    """Return an arm's rows: whose numbers, and the cells."""
    lines = [("ours", _our_cells(arms, arm, budgets))]
    if arm.best_errors:
        best = [mean_std(arm.best_error(n)) for n in budgets]
        lines.append(("ours, best epoch", best + [DASH] * len(budgets)))
    if any(arm.paper(n) is not NOTHING for n in budgets):
        lines.append(("paper", _paper_cells(arms, arm, budgets)))
        lines.append(("ours - paper", _minus_cells(arms, arm, budgets)))
    return lines


def _budget(n: int, dataset: str | None) -> str:
    return f"{n:,}" if dataset is None else f"{n / n_train(dataset):.0%}"


def _our_cells(arms: Arms, arm: Measured, budgets: Sequence[int]) -> list[str]:
    baseline = arms.baseline_of(arm)
    ratios = [
        with_cpu(
            ratio_cell(mean(arm.speedup(n, baseline)), arms.is_bold(arm, n)),
            arm.cpu_speedup(n, baseline),
        )
        for n in budgets
    ]
    return [*(mean_std(arm.error(n)) for n in budgets), *ratios]


def _paper_cells(arms: Arms, arm: Measured, budgets: Sequence[int]) -> list[str]:
    ratios = [arm.paper(n).speedup for n in budgets]
    bold = [arms.is_bold_in_paper(arm, n) for n in budgets]
    return [*(mean_std(arm.paper(n).error) for n in budgets), *map(ratio_cell, ratios, bold)]


def _minus_cells(arms: Arms, arm: Measured, budgets: Sequence[int]) -> list[str]:
    baseline = arms.baseline_of(arm)
    return [
        *(minus(mean(arm.best_error(n)), mean(arm.paper(n).error), scale=100) for n in budgets),
        *(minus(mean(arm.speedup(n, baseline)), arm.paper(n).speedup, unit="x") for n in budgets),
    ]


def mean_table(arms: Arms) -> Table:
    """Return each arm's error averaged over all budgets: the area under its curve."""
    points = []
    for arm in arms.arms:
        whole = arm.mean_errors(arms.budgets)
        if not whole:
            continue
        error = estimate(list(whole.values()))
        others = [arms.baseline_of(arm), arms.uniform]
        compared = [
            None
            if other is None or other is arm
            else paired(whole, other.mean_errors(arms.budgets))
            for other in others
        ]
        cells = [arm.name, str(error.n_seeds), f"{100 * error.mean:.1f}"]
        last = arms.budgets[-1]
        speedup = arm.speedup(last, arms.baseline_of(arm))
        points.append(Point(cells, error, compared, speedup))
    title = "Mean error over all budgets (area under the curve)"
    return table_of_points(title, ["arm", "seeds", "error"], ["baseline", "uniform"], points)


def points_table(arms: Arms) -> Table:
    """Return every measured point with its intervals and paired differences."""
    points = []
    for arm in arms.arms:
        baseline = arms.baseline_of(arm)
        differences = [arms.differences(arm, other) for other in (baseline, arms.uniform)]
        for n in arm.errors:
            error = estimate(list(arm.errors[n].values()))
            cells = [
                arm.name,
                f"{n:,}",
                str(error.n_seeds),
                f"{100 * error.mean:.1f}",
                DASH if error.std is None else f"{100 * error.std:.2f}",
            ]
            compared = [some.get(n) for some in differences]
            points.append(Point(cells, error, compared, arm.speedup(n, baseline)))
    header = ["arm", "labels", "seeds", "error", "std"]
    return table_of_points("Every point", header, ["baseline", "uniform"], points)


def _shared_rule(arms: Arms) -> str:
    return f" {SHARED_RULE}" if any(arm.is_shared for arm in arms.arms) else ""


def seconds_table(arms: Arms) -> Table:
    """Return the data selection seconds of each arm by part, and its CPU seconds."""
    names = [f"{part} s" for part in PARTS]
    header = ["arm", "selector", *names, "sum s", "CPU s", "speed-up", "error"]
    rows = []
    for arm in arms.arms:
        last, baseline = max(arm.errors, default=0), arms.baseline_of(arm)
        parts = [median(seconds) for seconds in arm.seconds_by_part.values()]
        rows.append(
            [
                arm.name,
                arm.selector,
                *(f"{seconds:.2f}" for seconds in parts),
                f"{sum(parts):.2f}{SHARED if arm.is_shared else ''}",
                median_seconds(arm.cpu_seconds.get(last, {}).values()),
                with_cpu(
                    times(arm.speedup(last, baseline)),
                    arm.cpu_speedup(last, baseline),
                ),
                f"{mean_std(arm.error(last))} at {last:,}",
            ]
        )
    title = "Data selection seconds by part, median over seeds"
    return Table(title, header, rows, _shared_rule(arms).strip())


def point_records(arms: Arms) -> list[dict[str, Any]]:
    """Return the points as numbers, errors in 0..1."""
    records = []
    for arm in arms.arms:
        baseline = arms.baseline_of(arm)
        to_baseline = arms.differences(arm, baseline)
        to_uniform = arms.differences(arm, arms.uniform)
        for n in arm.errors:
            paper = arm.paper(n)
            records.append(
                {"arm": arm.name, "strategy": arm.strategy, "selector": arm.selector, "labels": n}
                | columns("error", arm.error(n))
                | columns("best_error", arm.best_error(n))
                | columns("minus_baseline", to_baseline.get(n))
                | columns("minus_uniform", to_uniform.get(n))
                | columns("speedup", arm.speedup(n, baseline))
                | columns("cpu_speedup", arm.cpu_speedup(n, baseline))
                | columns("paper_error", paper.error)
                | ({} if paper.speedup is None else {"paper_speedup": paper.speedup})
            )
    return records


def selector_records(arms: Arms) -> list[dict[str, Any]]:
    """Return the selectors' own errors by the labels that they were trained on."""
    return [
        {"arm": arm.name, "selector": arm.selector, "labels": n}
        | columns("error", estimate(list(errors.values())))
        for arm in arms.arms
        for n, errors in arm.selector_errors.items()
    ]
