"""Selections from arrays on disk, for people who want them without the service."""

import os
import time
from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from app.domain.json_fields import from_json
from selection.catalog import Signal
from selection.errors import SelectionError
from selection.k_centers.greedy import estimate_run
from selection.mapped import take_rows
from selection.options import SelectionOptions
from selection.registry import needed_signals
from selection.select import Pool, Selected, Streams, select
from selection.types import FloatArray, Rows, Signals
from selection.watch import Watch
from workers.arrays.files import AnyArray, Arrays, OpenedArrays, load, open_arrays, save


def select_from_arrays(
    strategy: str,
    arrays: Arrays,
    budget: int,
    *,
    seed: int,
    options: Mapping[str, Any],
    device: str,
    state_file: Path | None,
    outputs: Mapping[str, Path | None],
) -> str:
    """Write the selection's index, scores and control files; return a summary in words.

    Of several processes, one a shard, only the first writes.

    Raises:
        SelectionError, SettingError: the input does not fit; the message names row and value.
    """
    started = time.perf_counter()
    watch = Watch(device, state_file=state_file)
    asked = from_json(SelectionOptions, options)
    _refuse_missing(strategy, arrays, asked)
    if "WORLD_SIZE" in os.environ and strategy == "k_centers":
        _refuse_in_shards(arrays, asked, watch)
        selected, n_pool = _select_in_shards(arrays, budget, seed), None
    else:
        opened = open_arrays(arrays)
        n_pool = len(opened.pool_index)
        selected = select(strategy, _pool(opened), budget, _streams(seed), asked, watch)
        selected = Selected(
            opened.pool_index[selected.rows],
            selected.scores,
            selected.is_control,
            selected.candidates,
        )
    found = {"index": selected.rows, "scores": selected.scores, "control": selected.is_control}
    for name, path in outputs.items():
        if path is not None and os.environ.get("RANK", "0") == "0":
            save(path, found[name])
    watch.remove()
    return _summary(strategy, selected, n_pool, time.perf_counter() - started, outputs["index"])


def _refuse_missing(strategy: str, arrays: Arrays, asked: SelectionOptions) -> None:
    """Refuse a selection whose files are not all given; the message names the option."""
    for signal in sorted(needed_signals(strategy)):
        if signal not in arrays.measured:
            option = "--forgetting" if signal is Signal.FORGETTING_COUNTS else f"--{signal}"
            raise SelectionError(f"{strategy} needs {signal}; give {option}.")
    has_labeled = arrays.labeled is not None or arrays.labeled_features is not None
    if asked.finds_neighbours and not (arrays.features is not None and has_labeled):
        raise SelectionError(
            "--candidates neighbours needs --features, and --labeled or --labeled-features."
        )


def estimate_selection(strategy: str, arrays: Arrays, budget: int) -> str:
    """Return what a k-centers selection will need, in words.

    Raises:
        SelectionError: another strategy, or no features.
    """
    if strategy != "k_centers":
        raise SelectionError(f"Only k_centers estimates its time; {strategy} takes one pass or so.")
    opened = open_arrays(arrays)
    _refuse_missing(strategy, arrays, SelectionOptions())
    m = 0 if opened.labeled_features is None else len(opened.labeled_features)
    found = estimate_run(opened.signals["features"], m, budget, opened.pool_index)
    return f"k_centers of {budget:,} out of {len(opened.pool_index):,} items needs {found}."


def _pool(opened: OpenedArrays) -> Pool:
    """Return the pool of opened arrays; nothing is copied before it is asked for."""
    labeled = opened.labeled_features

    def taken(name: str, rows: Rows) -> AnyArray:
        return take_rows(opened.signals[name], opened.pool_index[rows])

    def measure(rows: Rows) -> Signals:
        signals = {name: taken(name, rows) for name in opened.signals}
        return Signals(len(rows), labeled_features=labeled, **signals)

    features = partial(taken, "features") if "features" in opened.signals else None
    return Pool(len(opened.pool_index), measure, features, labeled)


def _streams(seed: int) -> Streams:
    return lambda purpose: np.random.default_rng([seed, *purpose.encode()])


def _refuse_in_shards(arrays: Arrays, asked: SelectionOptions, watch: Watch) -> None:
    """Refuse what a selection in shards would leave out.

    Raises:
        SelectionError: an option, file or device that only a whole pool takes.
    """
    plain = SelectionOptions()
    unfit = [f.name for f in fields(asked) if getattr(asked, f.name) != getattr(plain, f.name)]
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


def _select_in_shards(arrays: Arrays, budget: int, seed: int) -> Selected:
    from workers.arrays.shards import select_in_shards  # noqa: PLC0415 - torch, only where used

    labeled = None if arrays.labeled_features is None else load(arrays.labeled_features)

    def open_shard(rank: int) -> FloatArray:
        return load(Path(str(arrays.features).replace("{rank}", str(rank))))

    found = select_in_shards(open_shard, labeled, budget, _streams(seed)("selection"))
    return Selected(found.rows, found.scores, np.zeros(budget, bool))


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
