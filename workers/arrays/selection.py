"""Selections from arrays on disk, for people who want them without the service."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from selection.arrays import AnyArray, FloatArray, Rows
from selection.catalog import Signal, find_strategy, known_strategies
from selection.errors import SelectionError
from selection.mapped import take_rows
from selection.options import SelectionOptions
from selection.rank import load_code
from selection.select import Pool, Selected, SelectionRequest, select
from selection.types import Signals
from selection.watch import Watch
from workers.arrays.files import Arrays, OpenedArrays, load, open_arrays, save


@dataclass(frozen=True)
class ArraySelection:
    """A request for a selection outside of the service.

    Attributes:
        strategy: name in selection.catalog, or of an installed package's entry point.
        arrays: the files that it works on.
        budget: b, items to select.
        seed: of everything that is drawn.
        options: those around the strategy.
    """

    strategy: str
    arrays: Arrays
    budget: int
    seed: int = 0
    options: SelectionOptions = field(default_factory=SelectionOptions)

    def stream(self, purpose: str) -> np.random.Generator:
        """Return the generator of one purpose."""
        return np.random.default_rng([self.seed, *purpose.encode()])

    def request(self, watch: Watch) -> SelectionRequest:
        """Return the request for a selection from the opened arrays."""
        return SelectionRequest(self.strategy, self.budget, self.stream, self.options, watch)


def select_from_arrays(
    asked: ArraySelection, watch: Watch, outputs: Mapping[str, Path | None]
) -> str:
    """Write the selection's index, scores and control files; return a summary in words.

    Of several processes, one per shard, only the first writes.

    Raises:
        SelectionError: the input does not fit; the message names row and value.
    """
    started = time.perf_counter()
    _refuse_missing(asked)
    ranker = find_strategy(asked.strategy).sharded_ranker
    if "WORLD_SIZE" in os.environ and ranker is not None:
        _refuse_in_shards(asked, watch)
        selected, n_pool = _select_in_shards(asked, ranker), None
    else:
        opened = open_arrays(asked.arrays)
        n_pool = len(opened.pool_index)
        selected = select(_pool(opened), asked.request(watch))
        selected = replace(selected, rows=opened.pool_index[selected.rows])
    found = {"index": selected.rows, "scores": selected.scores, "control": selected.is_control}
    for name, path in outputs.items():
        if path is not None and os.environ.get("RANK", "0") == "0":
            save(path, found[name])
    watch.remove()
    seconds = time.perf_counter() - started
    return _summary(asked.strategy, selected, n_pool, seconds, outputs["index"])


def _refuse_missing(asked: ArraySelection) -> None:
    """Refuse a selection whose files are not all given; the message names the option."""
    arrays = asked.arrays
    needs = find_strategy(asked.strategy).needs
    if Signal.ACCURACY in needs:
        raise SelectionError(
            f"{asked.strategy} goes by how good a project's proxy is; from arrays, name the "
            "strategy that you want."
        )
    for signal in sorted(needs):
        if signal not in arrays.measured:
            option = "--forgetting" if signal is Signal.FORGETTING_COUNTS else f"--{signal}"
            raise SelectionError(f"{asked.strategy} needs {signal}; give {option}.")
    has_labeled = arrays.labeled is not None or arrays.labeled_features is not None
    if asked.options.finds_neighbours and not (arrays.features is not None and has_labeled):
        raise SelectionError(
            "--candidates neighbours needs --features, and --labeled or --labeled-features."
        )


def estimate_selection(asked: ArraySelection) -> str:
    """Return a selection's needs in words.

    Raises:
        SelectionError: the strategy cannot say, or its files are not all given.
    """
    strategy, budget = asked.strategy, asked.budget
    estimator = find_strategy(strategy).estimator
    if estimator is None:
        able = ", ".join(name for name in known_strategies() if find_strategy(name).estimator)
        raise SelectionError(f"Only {able} estimates its time; {strategy} takes one pass or so.")
    _refuse_missing(asked)
    opened = open_arrays(asked.arrays)
    m = 0 if opened.labeled_features is None else len(opened.labeled_features)
    estimate_run = load_code(strategy, estimator)
    found = estimate_run(opened.signals["features"], m, budget, opened.pool_index)
    return f"{strategy} of {budget:,} out of {len(opened.pool_index):,} items needs {found}."


def _pool(opened: OpenedArrays) -> Pool:
    """Return the pool of opened arrays; nothing is copied before it is asked for."""
    labeled = opened.labeled_features

    def taken(name: str, rows: Rows) -> AnyArray:
        return take_rows(opened.signals[name], opened.pool_index[rows])

    def measure(rows: Rows) -> Signals:
        signals: dict[str, Any] = {name: taken(name, rows) for name in opened.signals}
        return Signals(len(rows), labeled_features=labeled, **signals)

    features = partial(taken, "features") if "features" in opened.signals else None
    return Pool(len(opened.pool_index), measure, features, labeled)


def _refuse_in_shards(asked: ArraySelection, watch: Watch) -> None:
    """Refuse options that a selection in shards would leave out.

    Raises:
        SelectionError: an option, file or device that only a whole pool takes.
    """
    arrays, options, plain = asked.arrays, asked.options, SelectionOptions()
    unfit = [f.name for f in fields(options) if getattr(options, f.name) != getattr(plain, f.name)]
    unfit += [name for name in arrays.measured if name != "features"]
    unfit += [name for name in ("labeled", "pool") if getattr(arrays, name) is not None]
    unfit += ["device"] if watch.device != "cpu" else []
    unfit += ["state"] if watch.state_file is not None else []
    if unfit:
        raise SelectionError(
            f"A selection in shards takes no {', '.join(unfit)}: all rows of the files are the "
            "pool. Labeled items go into --labeled-features."
        )
    if arrays.features is None or "{rank}" not in str(arrays.features):
        raise SelectionError(
            f"In shards, give --features with {{rank}} in its name, not {arrays.features}: each "
            "process opens its own file."
        )


def _select_in_shards(asked: ArraySelection, ranker: str) -> Selected:
    from workers.arrays.shards import select_in_shards  # noqa: PLC0415 - torch, only where used

    arrays = asked.arrays
    labeled = None if arrays.labeled_features is None else load(arrays.labeled_features)

    def open_shard(rank: int) -> FloatArray:
        return load(Path(str(arrays.features).replace("{rank}", str(rank))))

    sharded_ranker = load_code(asked.strategy, ranker)
    rng = asked.stream("selection")
    found = select_in_shards(sharded_ranker, open_shard, labeled, asked.budget, rng)
    return Selected(found.rows, found.scores, np.zeros(asked.budget, bool))


def _summary(
    strategy: str, selected: Selected, n_pool: int | None, seconds: float, out: Path | None
) -> str:
    of_pool = "" if n_pool is None else f" of {n_pool:,}"
    words = f"{strategy} selected {len(selected.rows):,}{of_pool} items in {seconds:.2f} s: {out}"
    if selected.is_control.any():
        words += f"; {int(selected.is_control.sum()):,} drawn uniformly"
    report = selected.candidates
    if report is not None:
        words += f"; candidates were {report.n:,} items ({report.fraction:.1%} of the pool)"
        if report.index_recall is not None:
            words += f", index recall {report.index_recall:.3f}"
        if report.selection_recall is not None:
            words += f", {report.selection_recall:.1%} of the full scan's selection"
    return words + "."
