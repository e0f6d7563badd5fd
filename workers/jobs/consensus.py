"""Dawid-Skene and CROWDLAB over all labels of a project.

Dawid-Skene is ours: crowd-kit's stops where a step gains little, with up to 11 of 60 classes not
yet those of the converged algorithm, and needs seconds for what takes milliseconds. CROWDLAB is
cleanlab's (the extra `crowd`), imported where it is used.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.special import softmax

from app.db.queries import consensus as queries
from app.db.queries import jobs as job_queries
from app.db.queries import models as model_queries
from app.db.queries import projects
from app.db.queries.consensus import Consensus, Opinion
from app.db.session import transaction
from app.db.tables import ConsensusSource, Model, Project
from app.domain.annotation import ConsensusMethod, annotation_from_json
from app.domain.errors import JobFenced
from app.services.consensus import write_consensus
from models.catalog import ModelSetup
from models.predict import predict
from models.recipe import recipe_from_json
from selection.arrays import FloatArray, IntArray
from workers.jobs.context import JobContext
from workers.jobs.snapshot import Snapshot, read_snapshot
from workers.jobs.stored_models import load_stored_model

MOST_STEPS = 10_000
SETTLED = 1e-7  # change of a probability in one step below which EM has converged
LEAST = 1e-10  # in place of a probability of 0, whose logarithm there is none


@dataclass(frozen=True)
class Opinions:
    """Labels as triples, each array [n labels].

    Attributes:
        item: pool indices.
        annotator: ids.
        classes: class indices.
    """

    item: IntArray
    annotator: IntArray
    classes: IntArray

    @property
    def has_overlap(self) -> bool:
        """Whether an item has labels of two annotators: else there is nothing to weigh."""
        return len(np.unique(self.item)) < len(self.item)


def dawid_skene(opinions: Opinions, known: dict[int, int] | None = None) -> list[Consensus]:
    """Return the most probable class of each item, ascending by index.

    Args:
        opinions: every label.
        known: pool index -> class, of items whose class is certain (gold).

    Source: Dawid & Skene (1979), section 2: EM over a confusion matrix for each annotator, from the
    majority on, until no probability moves any more. Only pairs of annotator and class that occur
    are stored, as sparse rows.
    """
    index, row = np.unique(opinions.item, return_inverse=True)
    classes, c = np.unique(opinions.classes, return_inverse=True)
    pairs, pair = np.unique(
        np.stack([opinions.annotator, opinions.classes]), axis=1, return_inverse=True
    )
    _, who = np.unique(pairs[0], return_inverse=True)
    ones = np.ones(len(row))
    given = csr_array((ones, (pair.ravel(), row)), shape=(pairs.shape[1], len(index)))
    by_annotator = csr_array((np.ones(len(who)), (who, np.arange(len(who)))))
    probs = csr_array((ones, (row, c)), shape=(len(index), len(classes))).toarray()
    probs /= probs.sum(axis=1, keepdims=True)
    # There is a column only for classes that somebody gave.
    certain = {i: k for i, k in (known or {}).items() if k in classes}
    known_rows = np.searchsorted(index, np.fromiter(certain, np.int64))
    known_probs = np.eye(len(classes))[np.searchsorted(classes, list(certain.values()))]
    probs[known_rows] = known_probs
    for _ in range(MOST_STEPS):
        said = np.maximum(given @ probs, LEAST)  # expected times, by (pair, true class)
        said /= (by_annotator @ said)[who]
        logs = np.log(np.maximum(probs.mean(axis=0), LEAST)) + given.T @ np.log(said)
        before, probs = probs, softmax(logs, axis=1)
        probs[known_rows] = known_probs
        if np.abs(probs - before).max() < SETTLED:
            break
    return _most_probable(index, classes, probs)


def crowdlab(opinions: Opinions, probs: FloatArray) -> list[Consensus]:
    """Return the consensus of each item and its quality, ascending by index.

    Args:
        opinions: every label; at least one item has labels of two annotators.
        probs: class probabilities of a model that was not trained on these labels, a row for each
            item of `opinions`, ascending by index, [n items, C].

    Source: Goh et al., "CROWDLAB" (2022), by cleanlab's get_label_quality_multiannotator.
    """
    from cleanlab.multiannotator import (  # noqa: PLC0415 - an extra
        get_label_quality_multiannotator,
    )

    index, row = np.unique(opinions.item, return_inverse=True)
    who, column = np.unique(opinions.annotator, return_inverse=True)
    table = np.full((len(index), len(who)), np.nan)
    table[row, column] = opinions.classes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where nobody agrees; the result stands
        quality = get_label_quality_multiannotator(
            table, probs, verbose=False, return_detailed_quality=False, return_annotator_stats=False
        )["label_quality"]
    classes = quality["consensus_label"].to_numpy()
    confidence = quality["consensus_quality_score"].to_numpy()
    return [
        Consensus(*entry)
        for entry in zip(index.tolist(), classes.tolist(), confidence.tolist(), strict=True)
    ]


def update_consensus(context: JobContext) -> None:
    """Resolve the project's labels anew by its method, if that looks at all labels.

    Reads and computes without the project's lock, so that annotators go on; writes under it.
    Computes anew if other labels count by then: those of an annotator weigh on every item.

    Raises:
        JobFenced: the job was taken from this worker; nothing was written.
    """
    while not _update_once(context):
        pass


def _update_once(context: JobContext) -> bool:
    """Return whether the labels that count are still those that were read; else nothing changes."""
    with transaction(context.factory) as session:
        project = projects.get(session, context.claimed.project_id)
        method = annotation_from_json(project.annotation).consensus
        if method is ConsensusMethod.MAJORITY:
            return True
        version = project.label_version
        excluded = queries.excluded_labels(session, project.id)  # first: a later change is noticed
        opinions = queries.opinions(session, project.id)
        gold = queries.gold_opinions(session, project.id)
        newest = model_queries.newest_proxy(session, project.id)
    if method is ConsensusMethod.CROWDLAB and newest is not None:
        source, found = ConsensusSource.CROWDLAB, _by_crowdlab(context, project, opinions, newest)
    else:  # CROWDLAB needs a model; before the first proxy Dawid-Skene stands in
        source, found = ConsensusSource.DAWID_SKENE, _by_dawid_skene(opinions, gold)
    if not found:
        return True
    with transaction(context.factory) as session:
        project = projects.lock(session, project.id)
        if job_queries.owned(session, context.claimed.id, context.claimed.token) is None:
            raise JobFenced(context.claimed.id)
        if queries.excluded_labels(session, project.id) != excluded:
            return False
        write_consensus(session, project, source, found, version)
    return True


def _by_dawid_skene(
    opinions: list[Opinion], gold: list[tuple[int, int, int, int]]
) -> list[Consensus]:
    triples = [(o.index, o.annotator_id, o.class_index) for o in opinions]
    labels = _arrays(triples)
    if not labels.has_overlap:
        return []
    labeled = set(labels.item.tolist())
    controls = [(index, who, given) for index, who, given, _ in gold if index not in labeled]
    known = {index: known for index, _, _, known in gold if index not in labeled}
    found = dawid_skene(_arrays(triples + controls), known)
    return [entry for entry in found if entry.index in labeled]


def _by_crowdlab(
    context: JobContext, project: Project, opinions: list[Opinion], newest: Model
) -> list[Consensus]:
    """Return the consensus of items that the newest proxy was not trained on.

    Source's difference: CROWDLAB takes out-of-sample probabilities by cross-validation. Here the
    proxy of the round before predicts the items labeled since; earlier ones were resolved then, and
    one of them that is revised later goes by majority.
    """
    with transaction(context.factory) as session:
        snapshot_hash = model_queries.snapshot_of_proxy(session, newest.id)
    trained_on = set(read_snapshot(context.store, snapshot_hash).labeled_index.tolist())
    new = [o for o in opinions if o.index not in trained_on]
    labels = _arrays([(o.index, o.annotator_id, o.class_index) for o in new])
    if not labels.has_overlap:
        return []
    index = np.unique(labels.item)
    nothing = np.empty(0, np.int64)
    snapshot = Snapshot(
        nothing, nothing, nothing, project.n_pool, 0, 0, project.features_hash or ""
    )
    setup = ModelSetup(newest.name, recipe_from_json(newest.recipe))
    trained = load_stored_model(context.store, newest.weights_hash)
    inputs = context.reader.round_inputs(project, snapshot, setup, trained.spec)
    probs = predict(trained, inputs.pool.take(index), device=context.device).probs
    new_classes = len(project.classes) - probs.shape[1]  # added since it was trained
    known = np.pad(np.asarray(probs, np.float64), ((0, 0), (0, max(0, new_classes))))
    return crowdlab(labels, known)


def _arrays(triples: list[tuple[int, int, int]]) -> Opinions:
    columns: Any = np.asarray(triples, np.int64).reshape(-1, 3).T
    return Opinions(*columns)


def _most_probable(index: IntArray, classes: IntArray, probs: FloatArray) -> list[Consensus]:
    best = probs.argmax(axis=1)
    confidence = probs[np.arange(len(probs)), best]
    return [
        Consensus(*entry)
        for entry in zip(index.tolist(), classes[best].tolist(), confidence.tolist(), strict=True)
    ]
