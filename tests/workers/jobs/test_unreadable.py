"""Images that are gone when a round starts: set aside, and taken back on request."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import projects, set_aside
from app.db.queries.invariants import find_violations
from app.db.session import transaction
from app.db.tables import Model, ModelRole, Split
from app.domain.errors import ArtifactMissing, NothingToTrainOn
from app.services import jobs
from app.services.lifecycle import finish_project
from app.services.projects import ModelChoice
from app.services.set_aside import read_again, take_back
from models.catalog import resolve_setup
from models.data.arrays import Images
from tests.loop import CLASSES
from tests.projects import Data, ServedProject, png
from workers.jobs.packed_pool import PoolReader

Factory = sessionmaker[Session]
N = 12
MODEL = ModelChoice("preact8", {"epochs": 1, "minibatch": 4, "crop_padding": 0})


class Pictures:
    """A project of 12 images by URI, in a folder of their own."""

    def __init__(self, factory: Factory, settings: Settings, folder: Path, **given: object) -> None:
        self.folder = folder
        folder.mkdir()
        data = Data("image", CLASSES, self.content, lambda _, i: i % 2, MODEL)
        with_root = settings.model_copy(update={"image_roots": (str(folder),)})
        budgets = {"initial_budget": 4, "round_budget": 4, "total_budget": 10, "reserve": 2}
        self.served = ServedProject(factory, with_root, data, **{**budgets, **given})
        self.served.add(range(N))

    def content(self, split: Split, i: int) -> dict[str, str]:
        pixels = np.random.default_rng(i).integers(0, 60, (8, 8)) + 150 * (i % 2)
        (self.folder / f"{split}-{i}.png").write_bytes(png(pixels))
        return {"image_uri": f"{split}-{i}.png"}

    def lose(self, i: int, split: Split = Split.POOL) -> None:
        file = self.folder / f"{split}-{i}.png"
        file.rename(file.with_suffix(".lost"))

    def find(self, i: int) -> None:
        file = self.folder / f"{Split.POOL}-{i}.lost"
        file.rename(file.with_suffix(".png"))

    def retry(self) -> int:
        served = self.served
        with transaction(served.factory) as session:
            items = [item for item, _ in set_aside.page(session, served.id, 0, 100)]
        retried = read_again(items, served.store, served.settings)
        with transaction(served.factory) as session:
            return take_back(session, served.id, retried, served.settings)

    def set_aside(self, split: Split = Split.POOL) -> list[int]:
        with transaction(self.served.factory) as session:
            assert list(find_violations(session)) == []
            return set_aside.indices(session, self.served.id, split)

    def packed(self, n: int = N) -> np.ndarray:
        served = self.served
        with transaction(served.factory) as session:
            project = projects.get(session, served.id)
        reader = PoolReader(served.factory, served.store, served.settings, block_items=4)
        setup = resolve_setup(MODEL.model, MODEL.recipe)
        images = reader.read(project, Split.POOL, setup, n)
        assert isinstance(images, Images)
        return np.asarray(images.pixels)


@pytest.fixture
def pictures(session_factory: Factory, settings: Settings, tmp_path: Path) -> Pictures:
    return Pictures(session_factory, settings, tmp_path / "pictures")


def test_a_round_goes_on_without_an_image_that_is_gone(pictures: Pictures) -> None:
    pictures.lose(5)
    pictures.served.start()
    pictures.served.pack()
    pictures.served.do_job()
    assert pictures.set_aside() == [5]
    assert pictures.served.round_(0).state == "labeling"
    assert 5 not in pictures.served.ranked(0)


def test_a_first_batch_does_not_wait_for_the_packing_which_takes_out_of_it_what_is_gone(
    pictures: Pictures,
) -> None:
    for i in range(5):
        pictures.lose(i)
    pictures.served.start()
    pictures.served.do_job()
    assert pictures.set_aside() == []
    assert {*range(5)} & {*pictures.served.ranked(0)}
    pictures.served.pack()
    assert pictures.set_aside() == [*range(5)]
    assert not {*range(5)} & {*pictures.served.label(12)}


def test_an_image_that_goes_after_its_round_leaves_batch_and_training(pictures: Pictures) -> None:
    served = pictures.served
    served.start()
    served.pack()
    served.do_job()
    labeled = served.label(4)
    pictures.lose(labeled[0])
    shutil.rmtree(served.settings.cache_folder)  # packed anew, as on another machine
    served.do_job()
    assert pictures.set_aside() == [labeled[0]]
    assert served.model_of(1).n_labeled == 3
    assert served.round_(1).n_labeled == 4
    with transaction(served.factory) as session:
        finish_project(session, served.id)
    served.do_job()
    with transaction(served.factory) as session:
        target = session.scalars(select(Model).where(Model.role == ModelRole.TARGET)).one()
        assert target.n_labeled == 3


def test_one_that_is_back_is_read_again_and_selected(pictures: Pictures) -> None:
    pictures.lose(5)
    pictures.served.start()
    pictures.served.do_job()
    assert not pictures.packed()[5].any()
    assert pictures.retry() == 0
    pictures.find(5)
    assert pictures.retry() == 1
    assert pictures.set_aside() == []
    assert pictures.packed()[5].any()
    labeled = {*pictures.served.label(4)}
    pictures.served.do_job()
    assert 5 in {*pictures.served.ranked(1)} | labeled


def test_accuracy_is_measured_on_the_evaluation_items_that_can_be_read(pictures: Pictures) -> None:
    served = pictures.served
    served.add(range(4), Split.EVALUATION)
    pictures.lose(1, Split.EVALUATION)
    served.start()
    served.do_job()
    served.label(4)
    served.do_job()
    assert pictures.set_aside(Split.EVALUATION) == [1]
    assert served.model_of(1).metrics["n_evaluation"] == 3


def test_most_of_the_images_gone_is_a_fault_of_the_machine_and_sets_nothing_aside(
    pictures: Pictures,
) -> None:
    for i in range(8):
        pictures.lose(i)
    pictures.served.start()
    with pytest.raises(ArtifactMissing, match="8 of 12 items cannot be read"):
        pictures.served.pack()
    assert pictures.set_aside() == []


def test_those_that_are_set_aside_already_do_not_count_again(pictures: Pictures) -> None:
    for i in range(6):
        pictures.lose(i)
    pictures.packed()
    pictures.lose(6)
    shutil.rmtree(pictures.served.settings.cache_folder)  # packed anew, as on another machine
    pictures.packed()
    assert pictures.set_aside() == list(range(7))


def test_most_of_those_that_are_read_now_gone_sets_nothing_aside(pictures: Pictures) -> None:
    pictures.packed(8)
    for i in range(9, 12):
        pictures.lose(i)
    with pytest.raises(ArtifactMissing, match="3 of 4 items cannot be read"):
        pictures.packed()
    assert pictures.set_aside() == []


def test_with_every_labeled_image_gone_the_target_fails_with_what_to_do_and_is_retried(
    pictures: Pictures,
) -> None:
    served = pictures.served
    served.start()
    served.pack()
    served.do_job()
    labeled = served.label(4)
    for i in labeled:
        pictures.lose(i)
    shutil.rmtree(served.settings.cache_folder)
    with transaction(served.factory) as session:
        finish_project(session, served.id)
    claimed = served.claim()
    with pytest.raises(NothingToTrainOn, match=f"/projects/{served.id}/set-aside"):
        served.do_job(claimed)
    assert pictures.set_aside() == sorted(labeled)
    for i in labeled:
        pictures.find(i)
    assert pictures.retry() == 4
    with transaction(served.factory) as session:
        jobs.fail_attempt(session, claimed.id, claimed.token, "Nothing.", for_good=True)
        jobs.retry(session, served.id, claimed.id, served.settings)
    served.do_job()
    with transaction(served.factory) as session:
        target = session.scalars(select(Model).where(Model.role == ModelRole.TARGET)).one()
        assert target.n_labeled == 4
