"""The numbers that the paper prints, read from the tables in `paper/`.

Lookups take our names (catalog names of models and strategies) and answer `NOTHING` where the paper
prints no such setting. Source: paper/README.md.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from workers.reports.statistics import Estimate

PAPER_MODELS: Mapping[str, str] = MappingProxyType(
    {
        **{f"preact{depth}": f"ResNet{depth}" for depth in (20, 56, 110, 164)},
        **{f"resnet{depth}": f"ResNet{depth}" for depth in (18, 50)},
        **{f"vdcnn{depth}": f"VDCNN{depth}" for depth in (9, 29)},
        "fasttext": "fastText",
        "fasttext_official": "fastText",
    }
)
PAPER_STRATEGIES: Mapping[str, str] = MappingProxyType({"uniform": "random"})
FULL_EPOCHS = 181  # of the rows of Tables 2 and 3 whose proxy was not cut short


@dataclass(frozen=True)
class PaperNumber:
    """The paper's numbers for one setting; None where it prints nothing.

    Attributes:
        error: top-1 error of the target, 0..1, with its std over the paper's runs.
        speedup: of the data selection, Table 1.
        selection_minutes, total_minutes: Tables 2 and 3, and the text on training on everything.
    """

    error: Estimate | None = None
    speedup: float | None = None
    selection_minutes: float | None = None
    total_minutes: float | None = None


NOTHING = PaperNumber()


@dataclass(frozen=True)
class PaperSetting:
    """A row of the paper's tables, in our names.

    Attributes:
        dataset: as the paper calls it, e.g. "Amazon Review Full".
        strategy, selector: catalog names; the selector of uniform is "none".
        selector_epochs: of a core-set's selector; None in active learning.
    """

    dataset: str
    strategy: str
    selector: str = "none"
    selector_epochs: int | None = None


def active_learning(setting: PaperSetting, n_labels: int) -> PaperNumber:
    """Return the numbers of Table 1 at this many labels."""
    key = _key(setting, n_labels / n_train(setting.dataset))
    row = _table("table1_active_learning.csv", "budget_fraction").get(key)
    if row is None:
        return NOTHING
    speedup = row["selection_speedup"]
    return PaperNumber(_error(row, runs=3), float(speedup) if speedup else None)


def core_set(setting: PaperSetting, fraction: float) -> PaperNumber:
    """Return the numbers of Tables 2 to 4 at this share of the data.

    Training on everything is `everything`.
    """
    key = _key(setting, fraction)
    small = _table("tables2_3_core_set.csv", "subset_fraction", "selection_epochs")
    row = small.get((*key, str(setting.selector_epochs or FULL_EPOCHS)))
    if row is not None:
        minutes = float(row["selection_minutes"]), float(row["total_minutes"])
        return PaperNumber(_error(row, runs=5), None, *minutes)
    row = _table("table4_core_set_large.csv", "subset_fraction").get(key)
    return NOTHING if row is None else PaperNumber(_error(row, runs=3))


def everything(dataset: str, model: str) -> PaperNumber:
    """Return the model's error, and minutes, after training on all data.

    Of Table 4's column 100%, else of the text's sentences, which give no std.
    """
    key = _key(PaperSetting(dataset, "uniform"), 1.0)
    printed = _table("table4_core_set_large.csv", "subset_fraction").get(key)
    wanted = (dataset, PAPER_MODELS.get(model, "?"))
    told = {(row["dataset"], row["model"]): row for row in _rows("full_training.csv")}.get(wanted)
    minutes = None if told is None else float(told["minutes"])
    if printed is not None and printed["target_model"] == wanted[1]:
        return PaperNumber(_error(printed, runs=3), total_minutes=minutes)
    if told is None:
        return NOTHING
    error = Estimate(float(told["error_percent"]) / 100, None, None, None, 1)
    return PaperNumber(error, total_minutes=minutes)


def n_train(dataset: str) -> int:
    """Return the items of the data set's train part.

    Raises:
        KeyError: the paper has no such data set.
    """
    return {row["dataset"]: int(row["n_train"]) for row in _rows("datasets.csv")}[dataset]


def _key(setting: PaperSetting, fraction: float) -> tuple[str, ...]:
    model = "" if setting.selector == "none" else PAPER_MODELS.get(setting.selector, "?")
    strategy = PAPER_STRATEGIES.get(setting.strategy, setting.strategy)
    return setting.dataset, strategy, model, _share(fraction)


def _share(fraction: float) -> str:
    """Return the fraction as the tables write it; 640,583 items of ImageNet are 0.5."""
    return str(round(fraction, 3))


def _error(row: Mapping[str, str], *, runs: int) -> Estimate:
    """Return the error of a row, 0..1; the paper prints a std, and no interval."""
    mean, std = float(row["target_error_percent"]), float(row["target_error_std"])
    return Estimate(mean / 100, std / 100, None, None, runs)


@cache
def _table(name: str, *last: str) -> Mapping[tuple[str, ...], Mapping[str, str]]:
    """Return a table's rows by dataset, strategy, selection model and these columns."""
    columns = ("dataset", "strategy", "selection_model", *last)
    return {tuple(row[column] for column in columns): row for row in _rows(name)}


@cache
def _rows(name: str) -> tuple[Mapping[str, str], ...]:
    text = (files("workers.reports") / "paper" / name).read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))
