"""Repeats a stored selection: same model, pool snapshot, seed and options give the same indices.

What is repeated is inference and selection, by the code of the round's job; the proxy comes from
the artifact store.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import projects, rounds
from app.db.session import transaction
from app.domain.errors import NotFound
from app.domain.json_fields import from_json
from app.storage.artifacts import ArtifactStore
from models.catalog import setup_from_json
from models.training.precision import name_of_device
from models.training.timing import Stopwatch
from selection.options import SelectionOptions
from selection.watch import Watch
from workers.jobs.packed_pool import PoolReader
from workers.jobs.snapshot import load_arrays, read_snapshot
from workers.jobs.stored_models import load_stored_model
from workers.steps.round import RoundRequest, run_selection
from workers.steps.scoring import Scoring


@dataclass(frozen=True)
class ReplayedSelection:
    """Comparison of a repeated selection with the stored one.

    Attributes:
        strategy: that selected.
        n: items of the stored ranking, reserve included.
        first_difference: lowest rank whose item differs; None if all are the same.
        score_difference: largest absolute difference of a score at the same rank.
        device: name of this machine's, that it was repeated on.
        stored_device: that the round was selected on; another one may round otherwise.
    """

    strategy: str
    n: int
    first_difference: int | None
    score_difference: float
    device: str
    stored_device: str


def replay_selection(
    factory: sessionmaker[Session],
    store: ArtifactStore,
    settings: Settings,
    project_id: int,
    number: int,
) -> ReplayedSelection:
    """Repeat the selection of a round; return its comparison with the published one.

    Raises:
        NotFound: there is no such project or round.
        ArtifactMissing: model, snapshot or ranking are not in the store.
        ValueError: the round has selected nothing yet, or did so before selections were stored.
    """
    with transaction(factory) as session:
        project = projects.get(session, project_id)
        round_ = rounds.get(session, project_id, number)
        if round_ is None:
            raise NotFound("round", number)
    if round_.ranking_hash is None or "snapshot_hash" not in round_.selection:
        raise ValueError(
            f"Round {number} of project {project_id} is {round_.state} and has no stored selection."
        )
    decided = round_.selection
    stored = load_arrays(store, round_.ranking_hash)
    device = decided["device"] if torch.cuda.is_available() else "cpu"
    proxy = None
    if decided["weights_hash"]:
        proxy = load_stored_model(store, decided["weights_hash"])
    snapshot = read_snapshot(store, decided["snapshot_hash"])
    request = RoundRequest(
        round_.strategy,
        setup_from_json(round_.settings["proxy"]),
        decided["seed"],
        number,
        trains=False,
        options=from_json(SelectionOptions, decided["options"]),
        scoring=Scoring(temperature=decided.get("temperature") or 1.0),
    )
    with _threads(decided["threads"]):
        result = run_selection(
            PoolReader(factory, store, settings).round_inputs(project, snapshot, request.setup),
            request,
            proxy,
            Stopwatch(device),
            Watch(device),
        )
    same_length = len(result.ranked_index) == len(stored["index"])
    n = min(len(result.ranked_index), len(stored["index"]))
    differs = np.flatnonzero(result.ranked_index[:n] != stored["index"][:n])
    first = int(differs[0]) if len(differs) else None if same_length else n
    return ReplayedSelection(
        strategy=round_.strategy,
        n=len(stored["index"]),
        first_difference=first,
        score_difference=float(np.abs(result.scores[:n] - stored["score"][:n]).max(initial=0.0)),
        device=name_of_device(device),
        stored_device=decided["device_name"],
    )


@contextmanager
def _threads(n: int) -> Iterator[None]:
    """Let torch use the round's number of threads, on which the bits of its sums depend."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
