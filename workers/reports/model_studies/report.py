"""The report of studies of models: Figures 3 to 5 and 8 to 13, and their numbers as tables."""

from collections.abc import Mapping
from typing import Any

from workers.reports.cells import (
    DASH,
    SHARED,
    columns,
    correlation,
    mean,
    mean_std,
    minus,
    minutes,
)
from workers.reports.document import Document, Picture, Table
from workers.reports.model_studies.correlation import between_models, pearson, spearman
from workers.reports.model_studies.figures import (
    correlation_as_training_goes_on,
    error_by_depth_and_epoch,
    heatmaps,
    ranking_title,
    residual_first,
)
from workers.reports.model_studies.measured import UNCERTAINTIES, Sources, Study, lacks, measure
from workers.reports.sources import facts_of, gaps_of, title_of
from workers.reports.statistics import Estimate

CONFIDENCE_CLAIM = 0.96
SHOWN_MODELS = 6  # of which epochs are compared with each other, and pairs are listed at once
PEARSON = ("forgetting_events", "entropy")
PAIRS = (
    "Mean over pairs of different runs; 95% intervals (below) are those of a jackknife over seeds "
    "on Fisher's z, with fewer than 3 seeds there is none."
)
Matrices = Mapping[str, Mapping[tuple[str, str], Estimate | None]]


def study_document(sources: Sources) -> Document:
    """Return the report of folders of studies on one pool.

    Raises:
        ExperimentError: their pools or first centres differ.
    """
    study, merged = measure(sources)
    title = title_of(sources)
    ordered = {
        ranking: {name: runs[name] for name in residual_first(list(runs))}
        for ranking, runs in study.finals.items()
    }
    ranks = {ranking: between_models(runs, spearman) for ranking, runs in ordered.items()}
    linear = {r: between_models(runs, pearson) for r, runs in ordered.items() if r in PEARSON}
    errors = error_table(study)
    main: list[Table | Picture] = [
        errors,
        Picture(
            "error-by-depth-and-epoch",
            "Error against depth, epochs and training time",
            error_by_depth_and_epoch(study, title),
            "As the paper's Figures 4 and 5: bars are one std over seeds.",
        ),
    ]
    main += _picture(ranks, "Spearman", title, _figures_of(study))
    main += _picture(linear, "Pearson", title, "Figure 13")
    main += _epochs(study, title)
    main += [confidence_table(study)]
    intervals = [*_intervals(ranks, "Spearman"), *_intervals(linear, "Pearson")]
    is_many = len(study.models) > SHOWN_MODELS
    return Document(
        title=title,
        facts=facts_of(sources),
        gaps=gaps_of(sources, merged, lambda arm, seed: lacks(arm.runs[seed])),
        main=main if is_many else main + intervals,
        details=intervals if is_many else [],
        short=errors,
        records={
            "errors": error_records(study),
            "correlations": [
                *_records(ranks, "spearman"),
                *_records(linear, "pearson"),
            ],
        },
    )


def error_table(study: Study) -> Table:
    """Return each model's error and training time, beside the paper's where comparable."""
    has_paper = study.dataset is not None
    header = ["model", "layers", "epochs", "seeds", "error", "minutes"]
    header += ["paper's error", "ours - paper", "paper's minutes"] if has_paper else []
    rows = []
    for name, model in study.models.items():
        row = [
            name if name == model.architecture else f"{name} ({model.architecture})",
            DASH if model.depth is None else str(model.depth),
            str(model.epochs[-1]),
            str(len(model.whole)),
            mean_std(model.error),
            f"{minutes(model.minutes)}{SHARED if model.is_shared else ''}",
        ]
        if has_paper:
            paper = model.paper
            total = paper.total_minutes
            row += [
                mean_std(paper.error),
                minus(mean(model.error), mean(paper.error), scale=100),
                DASH if total is None else f"{total:.0f}",
            ]
        rows.append(row)
    note = "Mean ± std over seeds, error in percent after the last epoch, on the evaluation split."
    return Table("Error and training time", header, rows, note)


def confidence_table(study: Study) -> Table:
    """Return how entropy and margin correlate with confidence of the same trained model."""
    rows = []
    for name in study.models:
        found = [study.with_confidence(name, uncertainty) for uncertainty in UNCERTAINTIES]
        rows.append([name, *map(correlation, found)])
    note = (
        "Spearman, same trained model, mean over seeds; 95% interval by Student's t on Fisher's z."
    )
    if study.dataset in ("CIFAR10", "CIFAR100"):
        note += f" The paper: above {CONFIDENCE_CLAIM} for both (section 2.1)."
    header = ["model", *(f"{uncertainty} with confidence" for uncertainty in UNCERTAINTIES)]
    return Table("Entropy and margin against confidence", header, rows, note)


def error_records(study: Study) -> list[dict[str, Any]]:
    """Return every model's error and training seconds by epoch, as numbers."""
    return [
        {
            "model": model.name,
            "architecture": model.architecture,
            "seed": line.seed,
            "epoch": line.epoch,
            "error": line.error,
            "train_seconds": line.train_seconds,
            "train_cpu_seconds": line.train_cpu_seconds,
        }
        for model in study.models.values()
        for run in model.runs.values()
        for line in run
    ]


def _picture(found: Matrices, name: str, title: str, figures: str) -> list[Table | Picture]:
    """Return the picture of the matrices of those rankings that were measured; none without any."""
    shown = {ranking_title(r): m for r, m in found.items() if any(m.values())}
    if not shown:
        return []
    headline = f"{name}'s correlation between models"
    return [
        Picture(
            f"{name.lower()}-between-models",
            headline,
            heatmaps(shown, f"{title}: {headline}", f"{name}'s correlation"),
            f"As the paper's {figures}: the diagonal is between runs of one model, empty where it "
            f"has one. {PAIRS}",
        )
    ]


def _intervals(found: Matrices, name: str) -> list[Table | Picture]:
    """Return the numbers of the matrices with their intervals, each pair once."""
    shown = {ranking_title(r): m for r, m in found.items() if any(m.values())}
    names = list(dict.fromkeys(pair[0] for matrix in shown.values() for pair in matrix))
    pairs = [(a, b) for place, a in enumerate(names) for b in names[place:]]
    rows = [[f"{a} - {b}", *(correlation(m.get((a, b))) for m in shown.values())] for a, b in pairs]
    return [Table(f"{name}'s correlation between models", ["models", *shown], rows)] if rows else []


def _epochs(study: Study, title: str) -> list[Table | Picture]:
    """Return how the orders settle as training goes on: Figures 11 and 12, and within each run."""
    blocks: list[Table | Picture] = []
    curves = {ranking: study.as_training_goes_on(ranking) for ranking in PEARSON}
    curves = {r: c for r, c in curves.items() if any(len(points) > 1 for points in c.values())}
    if curves:
        headline = f"Spearman's correlation with {study.reference}'s last epoch as training goes on"
        blocks.append(
            Picture(
                "as-training-goes-on",
                headline,
                correlation_as_training_goes_on(curves, study.reference, title),
                "As the paper's Figures 11 and 12: pairs of different runs, bars are one std.",
            )
        )
    for ranking in PEARSON:
        some = list(study.models)[-SHOWN_MODELS:]
        by_model = {name: study.between_epochs(name, ranking) for name in some}
        shown = {
            name: {(str(a), str(b)): value for (a, b), value in matrix.items()}
            for name, matrix in by_model.items()
            if len(matrix) > 1
        }
        if shown:
            headline = f"Between epochs of the same run: {ranking_title(ranking)}"
            figure = heatmaps(shown, f"{title}: {headline}", "Spearman's correlation", "epoch")
            note = "Epoch against epoch within one run, mean over seeds."
            blocks.append(Picture(f"epochs-{ranking.replace('_', '-')}", headline, figure, note))
    return blocks


def _figures_of(study: Study) -> str:
    if len({model.architecture for model in study.models.values()}) > 8:
        return "Figure 8"
    return "Figure 10" if study.same_initial else "Figures 3 and 9"


def _records(found: Matrices, coefficient: str) -> list[dict[str, Any]]:
    return [
        {"coefficient": coefficient, "ranking": ranking, "first": pair[0], "second": pair[1]}
        | columns("mean", value)
        for ranking, matrix in found.items()
        for pair, value in matrix.items()
        if value is not None
    ]
