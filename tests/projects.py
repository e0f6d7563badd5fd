"""Projects of the real services whose jobs are done in the test's own process, on any data."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import rounds
from app.db.session import transaction
from app.db.tables import Model, Round, Split
from app.services import jobs
from app.services.jobs import PACKING
from app.services.labels import LabelEntry, submit_labels
from app.services.leases import next_batch
from app.services.lifecycle import start_project
from app.services.prepared_items import ItemIn
from app.services.projects import ModelChoice
from app.storage.artifacts import ArtifactStore
from tests.loop import CLASSES, annotator, claim_waiting, create_draft, import_lines
from workers.jobs.attempt import Attempt
from workers.jobs.context import JobContext
from workers.jobs.packing.job import PackingJob
from workers.jobs.run import run_job
from workers.jobs.snapshot import load_arrays


@dataclass(frozen=True)
class Data:
    """Data of a project.

    Attributes:
        content: of item i of a split, as ItemIn takes it.
        class_of: its true class index.
        model: proxy and target.
    """

    modality: str
    classes: Sequence[str]
    content: Callable[[Split, int], dict[str, Any]]
    class_of: Callable[[Split, int], int]
    model: ModelChoice


def png(pixels: np.ndarray) -> bytes:
    """Return an image [H, W] as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _image_item(_split: Split, i: int) -> dict[str, Any]:
    pixels = np.random.default_rng(i).integers(0, 60, (8, 8), np.uint8) + 150 * (i % 2)
    return {"image": png(pixels)}


# Item i is of class i % 2: dark or light images, texts of two words.
TINY = {
    "image": Data(
        "image",
        CLASSES,
        _image_item,
        lambda _, i: i % 2,
        ModelChoice("preact8", {"epochs": 2, "minibatch": 8, "crop_padding": 0}),
    ),
    "text": Data(
        "text",
        CLASSES,
        lambda _, i: {"text": f"{('good', 'fine')[i % 2]} item {i}"},
        lambda _, i: i % 2,
        ModelChoice("fasttext", {"epochs": 5, "buckets": 100, "minibatch": 8}),
    ),
}


def do_waiting_job(factory: sessionmaker[Session], settings: Settings, project_id: int) -> None:
    """Do the project's waiting job in this process."""
    claimed = claim_waiting(factory, settings, project_id)
    assert claimed is not None
    do_job(factory, settings, claimed)


def do_job(
    factory: sessionmaker[Session],
    settings: Settings,
    claimed: jobs.ClaimedJob,
    store: ArtifactStore | None = None,
) -> None:
    """Do a claimed job in this process, by default with the store of the settings."""
    store = store or ArtifactStore(settings.artifact_store_url)
    run_job(JobContext(claimed, settings, factory, store, lambda: False))


class ServedProject:
    """A draft of the services; `given` overrides its settings."""

    def __init__(
        self, factory: sessionmaker[Session], settings: Settings, data: Data, **given: Any
    ) -> None:
        self.factory, self.settings, self.data = factory, settings, data
        self.store = ArtifactStore(settings.artifact_store_url)
        self.ada = annotator(factory, "ada")
        values = {
            "strategy": "least_confidence", "initial_budget": 6, "round_budget": 6,
            "total_budget": 30, "reserve": 100, "seed": 3, **given,
        }  # fmt: skip
        with transaction(factory) as session:
            draft = create_draft(session, "p", data.modality, data.classes, data.model, **values)
            self.id = draft.id

    def add(
        self, indices: Sequence[int], split: Split = Split.POOL, *, known: bool = False
    ) -> None:
        """Import items; of the pool with their class if it is `known`."""
        lines = []
        for i in indices:
            name = None
            if known or split is Split.EVALUATION:
                name = self.data.classes[self.data.class_of(split, i)]
            lines.append(ItemIn(f"{split}-{i}", split, name, **self.data.content(split, i)))
        with transaction(self.factory) as session:
            import_lines(session, self.settings, self.id, lines)

    def start(self) -> None:
        with transaction(self.factory) as session:
            start_project(session, self.id)

    def claim(self) -> jobs.ClaimedJob:
        claimed = claim_waiting(self.factory, self.settings, self.id)
        assert claimed is not None
        return claimed

    def do_job(self, claimed: jobs.ClaimedJob | None = None) -> None:
        do_job(self.factory, self.settings, claimed or self.claim(), self.store)

    def pack(self, should_stop: Callable[[], bool] = lambda: False) -> None:
        """Do the waiting packing job."""
        claimed = claim_waiting(self.factory, self.settings, self.id, PACKING)
        assert claimed is not None
        attempt = Attempt(claimed, self.settings, self.factory, self.store, should_stop)
        PackingJob(attempt, linger_seconds=0).run()

    def label(self, size: int) -> list[int]:
        """Label up to `size` items rightly; return their pool indices."""
        with transaction(self.factory) as session:
            leased = next_batch(session, self.id, self.ada, size, self.settings).items
            got = [(x.item.id, x.item.index) for x in leased]
        entries = [
            LabelEntry(item, self.data.classes[self.data.class_of(Split.POOL, index)])
            for item, index in got
        ]
        with transaction(self.factory) as session:
            submit_labels(session, self.id, self.ada, entries, self.settings)
        return [index for _, index in got]

    def round_(self, number: int) -> Round:
        with transaction(self.factory) as session:
            found = rounds.get(session, self.id, number)
        assert found is not None
        return found

    def model_of(self, number: int) -> Model:
        with transaction(self.factory) as session:
            return session.scalars(select(Model).where(Model.round_number == number)).one()

    def ranked(self, number: int) -> list[int]:
        """Return the pool indices that a round ranked, ascending."""
        ranking = self.round_(number).ranking_hash
        assert ranking is not None
        return sorted(load_arrays(self.store, ranking)["index"].tolist())
