"""Dawid-Skene and CROWDLAB: over arrays, and in a job before it trains."""

import csv
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import labels, models, projects
from app.db.queries.consensus import Consensus
from app.db.queries.invariants import find_violations
from app.db.session import transaction
from app.db.tables import ConsensusSource, Event, Item, Job, Label, Project, ResolvedLabel, Split
from app.domain.consensus import resolve
from app.services.consensus import write_consensus
from app.services.excluded_labels import distrust_labels
from app.services.labels import LabelEntry, submit_labels
from app.services.leases import next_batch
from app.services.lifecycle import start_project
from app.services.prepared_items import ItemIn
from app.services.projects import ModelChoice
from app.storage.artifacts import ArtifactStore
from tests.loop import annotator, claim_waiting, create_draft, import_lines
from tests.projects import do_waiting_job
from tests.support import require
from workers.jobs import consensus
from workers.jobs.consensus import Opinions, crowdlab, dawid_skene
from workers.jobs.context import JobContext
from workers.jobs.snapshot import read_snapshot
from workers.simulation.config import OracleConfig
from workers.simulation.oracle import answer_key

pytest.importorskip("cleanlab", reason="the extra crowd is not installed")
Factory = sessionmaker[Session]
IntArray = npt.NDArray[np.int64]
WORDS = (["fine", "good", "great"], ["bad", "poor", "sad"])
PROXY = ModelChoice("fasttext", {"epochs": 10, "buckets": 500, "minibatch": 8})


def opinions_of(rows: list[tuple[int, int, int]]) -> Opinions:
    return Opinions(*np.asarray(rows, np.int64).T)


def by_people(
    true: IntArray, n_classes: int, mistakes: list[float], per_item: int, seed: int
) -> Opinions:
    """Return labels of annotators of the simulation's oracle, each wrong by their own share."""
    keys = [
        answer_key(OracleConfig(disagreement=wrong), true, n_classes, seed, true, Path())
        for wrong in mistakes
    ]
    rng = np.random.default_rng(seed)
    return opinions_of(
        [
            (item, who, keys[who].label(item, who))
            for item in range(len(true))
            for who in rng.choice(len(mistakes), per_item, replace=False).tolist()
        ]
    )


def majority(opinions: Opinions) -> dict[int, int]:
    given: dict[int, list[int]] = {}
    for item, c in zip(opinions.item.tolist(), opinions.classes.tolist(), strict=True):
        given.setdefault(item, []).append(c)
    return {item: resolve(classes, 1) or 0 for item, classes in given.items()}


class TestDawidSkene:
    def test_it_resolves_better_than_the_majority_where_annotators_differ(self) -> None:
        true = np.random.default_rng(0).integers(0, 4, 600)
        opinions = by_people(true, 4, [0.05, 0.1, 0.15, 0.7, 0.7], 3, seed=1)
        found = {entry.index: entry.class_index for entry in dawid_skene(opinions)}
        by_majority = majority(opinions)
        right, right_by_majority = (
            np.mean([resolved[i] == true[i] for i in range(len(true))])
            for resolved in (found, by_majority)
        )
        assert right > right_by_majority + 0.03

    def test_known_items_teach_it_whom_to_believe(self) -> None:
        """Two annotators swap the classes; two are right; gold tells which."""
        rng = np.random.default_rng(2)
        true = rng.integers(0, 2, 200)
        rows = [
            (i, who, int(c if who < 2 else 1 - c)) for i, c in enumerate(true) for who in range(4)
        ]
        known = {i: int(true[i]) for i in range(20)}
        found = dawid_skene(opinions_of(rows), known)
        assert [entry.class_index for entry in found] == true.tolist()

    def test_classes_and_indices_are_kept_whatever_they_are(self) -> None:
        rows = [(40, 7, 9), (40, 8, 9), (12, 7, 3), (12, 8, 3)]
        found = dawid_skene(opinions_of(rows), {40: 5})  # nobody gave class 5
        assert [(e.index, e.class_index) for e in found] == [(12, 3), (40, 9)]
        assert all(0.5 < e.confidence <= 1 for e in found)

    @pytest.mark.parametrize("seed", range(6))
    def test_it_is_the_converged_answer_of_the_algorithm(self, seed: int) -> None:
        """60 items, 8 careless people: EM gains little a step, for many steps."""
        rng = np.random.default_rng(seed)
        true = rng.integers(0, 4, 60)
        mistakes = rng.uniform(0.2, 0.7, 8).tolist()
        opinions = by_people(true, 4, mistakes, 4, seed)
        classes, confidences = expectation_maximisation(opinions, n_classes=4)
        found = dawid_skene(opinions)
        assert [entry.class_index for entry in found] == classes
        np.testing.assert_allclose([e.confidence for e in found], confidences, atol=1e-3)


def expectation_maximisation(opinions: Opinions, n_classes: int) -> tuple[list[int], list[float]]:
    """Return (class, probability) of each item: Dawid & Skene (1979), equations 2.3 to 2.5.

    By dense arrays, until no probability changes by more than 1e-6. Ascending by item; every item
    has a label.
    """
    n_items, n_people = opinions.item.max() + 1, opinions.annotator.max() + 1
    said = np.zeros((n_items, n_people, n_classes))
    said[opinions.item, opinions.annotator, opinions.classes] = 1
    probs = said.sum(axis=1) / said.sum(axis=(1, 2))[:, None]
    for _ in range(5000):
        priors = probs.mean(axis=0)
        errors = np.einsum("ic,ipk->pck", probs, said)
        errors = np.maximum(errors, 1e-10)
        errors /= errors.sum(axis=2, keepdims=True)
        logs = np.log(np.maximum(priors, 1e-10)) + np.einsum("ipk,pck->ic", said, np.log(errors))
        new = np.exp(logs - logs.max(axis=1, keepdims=True))
        new /= new.sum(axis=1, keepdims=True)
        change, probs = np.abs(new - probs).max(), new
        if change < 1e-6:
            break
    return probs.argmax(axis=1).tolist(), probs.max(axis=1).tolist()


class TestCrowdlab:
    def test_the_model_breaks_ties(self) -> None:
        rng = np.random.default_rng(0)
        true = rng.integers(0, 3, 300)
        opinions = by_people(true, 3, [0.2, 0.2, 0.2], 2, seed=4)
        probs = np.full((300, 3), 0.1)
        probs[np.arange(300), true] = 0.8
        found = crowdlab(opinions, probs)
        assert [entry.index for entry in found] == list(range(300))
        right = np.mean([entry.class_index == true[entry.index] for entry in found])
        assert right > np.mean([c == true[i] for i, c in majority(opinions).items()]) + 0.05


@pytest.fixture
def settings(settings: Settings, database_url: str) -> Settings:
    return settings.model_copy(update={"database_url": SecretStr(database_url), "device": "cpu"})


@pytest.fixture
def make_project(session_factory: Factory, settings: Settings) -> Callable[..., int]:
    """A started project of 120 texts whose even ones are class a; three labels per item."""

    def make(consensus: str, **annotation: Any) -> int:
        rng = np.random.default_rng(0)
        lines = [
            ItemIn(f"t{i}", Split.POOL, None, " ".join(rng.choice(WORDS[i % 2], 4)))
            for i in range(120)
        ]
        values: dict[str, Any] = {"strategy": "margin", "initial_budget": 60, "round_budget": 30}
        values |= {"total_budget": 120, "reserve": 0, "labels_per_item": 3, "seed": 5}
        options = {"consensus": consensus, **annotation}
        with transaction(session_factory) as session:
            project = create_draft(session, proxy=PROXY, **values, annotation=options)
            import_lines(session, settings, project.id, lines)
            start_project(session, project.id)
            return project.id

    return make


@pytest.fixture
def do_job(session_factory: Factory, settings: Settings) -> Callable[[int], None]:
    return partial(do_waiting_job, session_factory, settings)


def everybody_labels(factory: Factory, settings: Settings, project: int, round_: int) -> None:
    """Label a whole batch: three are mostly right, two mostly wrong; three of them see an item."""
    wrong = {"ada": 0.05, "bob": 0.05, "eve": 0.6, "ivy": 0.6, "joe": 0.1}
    rng = np.random.default_rng(round_)
    n_given = -1
    while n_given:
        n_given = 0
        for name, mistakes in wrong.items():
            who = annotator(factory, name)
            with transaction(factory) as session:
                items = next_batch(session, project, who, 12, settings).items
                true = [leased.item.index % 2 for leased in items]
                said = [c if rng.random() > mistakes else 1 - c for c in true]
                entries = [
                    LabelEntry(leased.item.id, "ab"[c])
                    for leased, c in zip(items, said, strict=True)
                ]
                if entries:
                    submit_labels(session, project, who, entries, settings)
                n_given += len(entries)


def revise_one(factory: Factory, settings: Settings, project: int) -> int:
    """Turn all labels of an item of round 0 around, and return the item."""
    with transaction(factory) as session:
        resolved = session.scalars(
            select(ResolvedLabel)
            .where(ResolvedLabel.round_number == 0)
            .order_by("item_id")
            .limit(1)
        ).one()
        item, name = resolved.item_id, "ab"[1 - resolved.class_index]
        given = select(Label.annotator_id).where(Label.item_id == item)
        for who in session.scalars(given).all():
            submit_labels(session, project, who, [LabelEntry(item, name)], settings)
    return item


def accuracy(factory: Factory, project: int) -> float:
    with transaction(factory) as session:
        index, classes = labels.resolved_arrays(session, project)
    return float(np.mean([c == i % 2 for i, c in zip(index, classes, strict=True)]))


def computed(factory: Factory, project: int) -> list[tuple[str, int]]:
    with transaction(factory) as session:
        facts = session.scalars(
            select(Event.facts)
            .where(Event.project_id == project, Event.name == "consensus.computed")
            .order_by(Event.id)
        )
        return [(f["method"], f["n_changed"]) for f in facts]


class TestJob:
    def test_a_round_trains_on_labels_that_dawid_skene_resolved(
        self,
        make_project: Callable[..., int],
        do_job: Callable[[int], None],
        session_factory: Factory,
        settings: Settings,
    ) -> None:
        project = make_project("dawid_skene")
        do_job(project)
        everybody_labels(session_factory, settings, project, 0)
        before = accuracy(session_factory, project)
        do_job(project)
        assert accuracy(session_factory, project) > before
        ((method, n_changed),) = computed(session_factory, project)
        assert method == "dawid_skene"
        assert n_changed > 0
        with transaction(session_factory) as session:
            job = session.scalars(select(Job).order_by(Job.id.desc()).limit(1)).one()
            index, classes = labels.resolved_arrays(session, project)
            newest = models.newest_proxy(session, project)
            methods = set(session.scalars(select(ResolvedLabel.method)))
            assert list(find_violations(session)) == []
        assert newest is not None
        assert not newest.stale
        snapshot = read_snapshot(ArtifactStore(settings.artifact_store_url), str(job.snapshot_hash))
        assert snapshot.labeled_index.tolist() == index.tolist()
        assert snapshot.labels.tolist() == classes.tolist()
        assert methods == {"dawid_skene"}

    def test_imported_labels_of_several_annotators_are_resolved_by_it_too(
        self, do_job: Callable[[int], None], session_factory: Factory, settings: Settings
    ) -> None:
        """Each item has answers of two who are mostly right and three who guess."""
        rng = np.random.default_rng(3)
        lines = []
        for i in range(150):
            careful = [name for k, name in enumerate(("ada", "bob", "joe")) if k != i % 3]
            shares = dict.fromkeys(careful, 0.95) | dict.fromkeys(("eve", "ivy", "max"), 0.5)
            answers = [
                (name, "ab"[i % 2 if rng.random() < share else 1 - i % 2])
                for name, share in shares.items()
            ]
            text = " ".join(rng.choice(WORDS[i % 2], 4))
            lines.append(ItemIn(f"t{i}", text=text, answers=answers))
        lines += [ItemIn(f"u{i}", text=" ".join(rng.choice(WORDS[i % 2], 4))) for i in range(20)]
        lines.append(ItemIn("plain", text="plain", class_name="a"))
        values: dict[str, Any] = {"strategy": "margin", "initial_budget": 10, "round_budget": 10}
        values |= {"total_budget": 20, "annotation": {"consensus": "dawid_skene"}}
        with transaction(session_factory) as session:
            project = create_draft(session, proxy=PROXY, **values).id
            import_lines(session, settings, project, lines)
            start_project(session, project)
        before = accuracy(session_factory, project)
        do_job(project)
        assert accuracy(session_factory, project) > before + 0.08
        ((method, n_changed),) = computed(session_factory, project)
        assert method == "dawid_skene"
        assert n_changed > 10
        with transaction(session_factory) as session:
            found = {(r.source, r.method) for r in session.scalars(select(ResolvedLabel))}
            assert list(find_violations(session)) == []
        assert found == {("import", "dawid_skene"), ("import", "imported")}

    def test_crowdlab_asks_the_proxy_of_the_round_before(
        self,
        make_project: Callable[..., int],
        do_job: Callable[[int], None],
        session_factory: Factory,
        settings: Settings,
    ) -> None:
        project = make_project("crowdlab")
        for round_ in range(2):
            do_job(project)
            everybody_labels(session_factory, settings, project, round_)
        before = accuracy(session_factory, project)
        revised = revise_one(session_factory, settings, project)
        do_job(project)
        assert [method for method, _ in computed(session_factory, project)] == [
            "dawid_skene",  # there was no proxy yet
            "crowdlab",
        ]
        assert accuracy(session_factory, project) >= before - 1 / 90
        with transaction(session_factory) as session:
            resolved = session.get_one(ResolvedLabel, revised)
            assert resolved.method == "majority"  # the proxy was trained on it

    def test_majority_leaves_it_to_the_labels(
        self,
        make_project: Callable[..., int],
        do_job: Callable[[int], None],
        session_factory: Factory,
        settings: Settings,
    ) -> None:
        project = make_project("majority")
        do_job(project)
        everybody_labels(session_factory, settings, project, 0)
        do_job(project)
        assert computed(session_factory, project) == []

    def test_labels_that_are_excluded_meanwhile_decide_nothing(
        self,
        make_project: Callable[..., int],
        do_job: Callable[[int], None],
        session_factory: Factory,
        settings: Settings,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        project_id = make_project("dawid_skene")
        do_job(project_id)
        everybody_labels(session_factory, settings, project_id, 0)
        who = annotator(session_factory, "ada")
        seen: list[int] = []

        def compute(opinions: Opinions, known: dict[int, int] | None = None) -> list[Consensus]:
            if not seen:
                with transaction(session_factory) as session:
                    project = projects.lock(session, project_id)
                    assert distrust_labels(session, project, who, settings).n_labels > 0
            seen.append(int((opinions.annotator == who).sum()))
            return dawid_skene(opinions, known)

        monkeypatch.setattr(consensus, "dawid_skene", compute)
        claimed = claim_waiting(session_factory, settings, project_id)
        assert claimed is not None
        store = ArtifactStore(settings.artifact_store_url)
        context = JobContext(claimed, settings, session_factory, store, lambda: False)
        consensus.update_consensus(context)
        assert seen[0] > 0
        assert seen[1:] == [0]
        assert len(computed(session_factory, project_id)) == 1

    def test_what_changed_since_the_labels_were_read_stays(
        self,
        make_project: Callable[..., int],
        do_job: Callable[[int], None],
        session_factory: Factory,
        settings: Settings,
    ) -> None:
        project_id = make_project("dawid_skene")
        do_job(project_id)
        everybody_labels(session_factory, settings, project_id, 0)
        with transaction(session_factory) as session:
            project = session.get_one(Project, project_id)
            rows = session.execute(
                select(Item.index, ResolvedLabel).join(Item, Item.id == ResolvedLabel.item_id)
            ).all()
            newest = max(resolved.label_version for _, resolved in rows)
            found = [Consensus(index, 1 - r.class_index, 0.9) for index, r in rows]
            n = write_consensus(session, project, ConsensusSource.DAWID_SKENE, found, newest - 1)
        assert n == len(rows) - 1


@pytest.mark.data
def test_on_human_labels_dawid_skene_is_no_worse_than_the_majority() -> None:
    """Three people labeled the same 4,000 news; the true class of 1,139 is known."""
    folder = Path(os.environ.get("SVP_DATA_DIR", "")) / "labels" / "noisyag-news"
    path = folder / "annotations_3x4000.csv"
    require("SVP_DATA_DIR" in os.environ and path.is_file(), f"there is no {path}")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    opinions = opinions_of(
        [
            (item, who, int(row[f"annotator{who}"]))
            for item, row in enumerate(rows)
            for who in (1, 2, 3)
        ]
    )
    true = {i: int(row["ground_truth"]) for i, row in enumerate(rows) if row["ground_truth"]}
    found = {entry.index: entry.class_index for entry in dawid_skene(opinions)}
    by_majority = majority(opinions)
    right, right_by_majority = (
        sum(resolved[i] == c for i, c in true.items()) for resolved in (found, by_majority)
    )
    assert right >= right_by_majority
