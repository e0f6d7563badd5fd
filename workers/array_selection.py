"""Selections from arrays on disk, for people who want them without the service.

Files are memory-mapped and may be larger than memory. Indices are positions in them.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.storage.npy import open_npy
from selection.catalog import Signal
from selection.errors import OverlapError, SelectionError, ShapeError
from selection.k_centers import estimate_run
from selection.mapped import take_rows
from selection.options import SelectionOptions, options_from_json
from selection.registry import needed_signals
from selection.select import Pool, Selected, Streams, select
from selection.types import NEVER_LEARNED, FloatArray, IntArray, Rows, Signals
from selection.watch import Watch

AnyArray = npt.NDArray[Any]


@dataclass(frozen=True)
class Arrays:
    """Files of one selection; see `svp select --help`."""

    features: Path | None = None
    probs: Path | None = None
    labels: Path | None = None
    forgetting: Path | None = None
    labeled: Path | None = None
    labeled_features: Path | None = None
    pool: Path | None = None

    @property
    def measured(self) -> dict[str, Path]:
        """Files with a row for each item, by the name of their signal."""
        files = {
            "features": self.features,
            "probs": self.probs,
            "labels": self.labels,
            "forgetting_counts": self.forgetting,
        }
        return {name: path for name, path in files.items() if path is not None}


@dataclass(frozen=True)
class OpenedArrays:
    """What a selection works on.

    Attributes:
        signals: of all items, by name.
        pool_index: items of the pool, ascending, [n].
        labeled_features: [m, d]; None without.
    """

    signals: Mapping[str, AnyArray]
    pool_index: IntArray
    labeled_features: FloatArray | None


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
        SelectionError, OptionsError: the input does not fit; the message names row and value.
    """
    started = time.perf_counter()
    watch = Watch(device, state_file=state_file)
    asked = options_from_json(options)
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
            _save(path, found[name])
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


def open_arrays(arrays: Arrays) -> OpenedArrays:
    """Return the files, memory-mapped, and the pool and labeled items that they mean.

    Raises:
        ShapeError: a file is no array, or lengths differ.
        OverlapError: an index comes twice, lies outside, or is in pool and labeled.
        SelectionError: no file has a row for each item.
    """
    signals = {name: _load(path) for name, path in arrays.measured.items()}
    for name in ("labels", "forgetting_counts"):
        if name in signals and np.issubdtype(signals[name].dtype, np.integer):
            signals[name] = signals[name].astype(np.int64)
    if "forgetting_counts" in signals:
        counts = signals["forgetting_counts"]
        signals["forgetting_counts"] = np.where(counts == -1, NEVER_LEARNED, counts)
    lengths = {name: len(array) for name, array in signals.items()}
    if not lengths:
        raise SelectionError("Give --features or --probs: an array with a row for each item.")
    n = next(iter(lengths.values()))
    if set(lengths.values()) != {n}:
        found = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ShapeError(f"Arrays must have a row for each item, but their lengths are {found}.")
    labeled = _indices("labeled", arrays.labeled, n)
    pool = np.setdiff1d(np.arange(n), labeled)
    if arrays.pool is not None:
        pool = _indices("pool", arrays.pool, n)
    both = np.intersect1d(pool, labeled)
    if len(both):
        raise OverlapError(
            f"Item {both[0]} is in --pool and in --labeled ({len(both)} items are); take it out "
            "of one of them."
        )
    return OpenedArrays(signals, pool, _labeled_features(arrays, signals.get("features"), labeled))


def _labeled_features(
    arrays: Arrays, features: AnyArray | None, labeled: IntArray
) -> FloatArray | None:
    if arrays.labeled_features is not None:
        if len(labeled):
            raise OverlapError("Give either --labeled or --labeled-features, not both.")
        return _load(arrays.labeled_features)
    return np.asarray(features[labeled]) if features is not None and len(labeled) else None


def _load(path: Path) -> AnyArray:
    if not path.exists():
        raise ShapeError(f"There is no file {path}.")
    try:
        array = open_npy(path)
    except ValueError as error:
        raise ShapeError(f"{path} is no NumPy file: {error}.") from None
    if array.ndim == 0:
        raise ShapeError(f"{path} must hold one array with a row for each item.")
    return array


def _indices(name: str, path: Path | None, n: int) -> IntArray:
    """Return the indices of a file, ascending; an absent one holds none."""
    if path is None:
        return np.empty(0, np.int64)
    index = _load(path)
    if index.ndim != 1 or not np.issubdtype(index.dtype, np.integer):
        raise ShapeError(
            f"{path} must hold whole numbers [k], not {index.dtype} {list(index.shape)}."
        )
    index = index.astype(np.int64)
    outside = np.flatnonzero((index < 0) | (index >= n))
    if len(outside):
        row = int(outside[0])
        raise OverlapError(f"Row {row} of {path} is {index[row]}; indices are 0..{n - 1}.")
    values, counts = np.unique(index, return_counts=True)
    if (counts > 1).any():
        raise OverlapError(f"Item {values[counts > 1][0]} comes twice in {name} {path}.")
    return values


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
    from workers.shard_selection import select_in_shards  # noqa: PLC0415 - torch, only where used

    labeled = None if arrays.labeled_features is None else _load(arrays.labeled_features)

    def open_shard(rank: int) -> FloatArray:
        return _load(Path(str(arrays.features).replace("{rank}", str(rank))))

    found = select_in_shards(open_shard, labeled, budget, _streams(seed)("selection"))
    return Selected(found.rows, found.scores, np.zeros(budget, bool))


def _save(path: Path, array: AnyArray) -> None:
    """Write the file whole, then rename it: a cut-off run leaves no half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with beside.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    beside.replace(path)


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
