"""A project that has something for every page of its lead, without a worker."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import text

from app.config import Settings
from app.db.session import transaction
from app.db.tables import Split
from app.services.annotators import pause_annotator
from app.services.flags import flag_items
from app.services.gold import set_gold
from app.services.job_results import Selection, TrainedFacts, publish_selection
from app.services.labels import LabelEntry, submit_labels
from app.services.leases import next_batch
from app.services.lifecycle import start_project
from app.storage.artifacts import ArtifactStore
from models.seconds import PartSeconds
from tests.loop import (
    Factory,
    annotator,
    claim_waiting,
    create_draft,
    import_texts,
    in_order,
    publish_in_order,
)
from workers.jobs.snapshot import store_arrays

PAGES = (
    "", "/live", "/progress", "/items", "/items?view=list", "/items/{item}", "/items?disputed=true",
    "/models", "/models/{model}", "/annotators", "/annotators/agreement", "/rounds", "/rounds/0",
    "/rounds/1", "/map", "/jobs", "/jobs/{job}", "/import", "/exports", "/label-errors",
    "/settings",
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    """The project and what the addresses of its pages name."""

    project: int
    item: int
    model: int
    job: int

    def paths(self) -> list[str]:
        """Return the addresses of all pages of the project."""
        names = {"item": self.item, "model": self.model, "job": self.job}
        return [f"/projects/{self.project}{path.format(**names)}" for path in PAGES]


def make_project(factory: Factory, settings: Settings, words: str = "plain") -> Made:
    """Return a project in round 1 whose every string of a user holds these words."""
    classes = (f"a {words}"[:200], f"b {words}"[:200])
    people = [annotator(factory, f"{name} {words}"[:200]) for name in ("ada", "bob")]
    with transaction(factory) as session:
        project = create_draft(
            session, f"p {words}"[:200], classes=classes, labels_per_item=2, total_budget=9,
            initial_budget=2, reserve=2, selection={"control_fraction": 0.2},
        ).id  # fmt: skip
        import_texts(session, settings, project, [f"{words} {i}" for i in range(12)])
        import_texts(
            session,
            settings,
            project,
            [f"{words} e{i}" for i in range(4)],
            Split.EVALUATION,
            classes[0],
        )
        import_texts(session, settings, project, [f"{words} gold"], class_name=classes[1])
        start_project(session, project)
    publish_in_order(factory, settings, project, 12)
    items = _label_apart(factory, settings, project, people, classes)
    job, model = _train(factory, settings, project)
    with transaction(factory) as session:
        set_gold(session, project, {f"{words} gold": None})
        flag_items(session, project, people[0], items[:1], f"odd {words}", settings)
        pause_annotator(session, project, f"bob {words}"[:200], f"too fast {words}", settings)
    return Made(project, items[0], model, job)


def _label_apart(
    factory: Factory, settings: Settings, project: int, people: list[int], classes: Any
) -> list[int]:
    """Let two annotators label the first batch, and disagree about its first item."""
    items: list[int] = []
    for who, person in enumerate(people):
        with transaction(factory) as session:
            batch = next_batch(session, project, person, 2, settings)
            items = sorted(x.item.id for x in batch.items)
            entries = [
                LabelEntry(items[0], classes[who], 2.0),
                LabelEntry(items[1], classes[1], 3.0),
            ]
            submit_labels(session, project, person, entries, settings)
    return items


def _train(factory: Factory, settings: Settings, project: int) -> tuple[int, int]:
    """Publish round 1 with a measured proxy in the worker's place; return its job and model."""
    claimed = claim_waiting(factory, settings, project)
    assert claimed is not None
    store = ArtifactStore(settings.artifact_store_url)
    predictions = store_arrays(
        store,
        evaluation_index=np.arange(4),
        evaluation_labels=np.zeros(4, np.int64),
        evaluation_classes=np.array([0, 0, 1, 0]),
    )
    facts = TrainedFacts(
        name="fasttext", recipe={"epochs": 1}, recipe_hash="0" * 64,
        weights_hash=store.put(b"weights"), n_labeled=3,
        metrics={"accuracy": 0.75, "n_evaluation": 4},
        seconds=PartSeconds({"training": 1.0}, {"training": 1.0}), provenance={"device": "cpu"},
        predictions_hash=predictions, evaluation={"confusion": [[0, 0, 3], [0, 1, 1]]},
    )  # fmt: skip
    selection = Selection(in_order(12).ranked, 3, PartSeconds({"training": 1.0}), "0", facts)
    with transaction(factory) as session:
        publish_selection(session, claimed, selection, settings)
    with transaction(factory) as session:
        model = session.execute(text("SELECT max(id) FROM models")).scalar_one()
    return claimed.id, int(model)
