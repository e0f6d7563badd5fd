"""The packed copy of a pool: each model reads the same texts as it takes them."""

import hashlib
import io
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import items as item_queries
from app.db.session import transaction
from app.db.tables import Item, Project, Split
from app.domain.errors import InvalidProject
from app.services.images import inspect_image
from app.services.projects import ModelChoice
from app.storage.artifacts import ArtifactStore
from models.catalog import find_model, resolve_recipe, resolve_setup
from models.data.arrays import Images, Texts
from models.data.characters import encode_characters
from models.data.text import encode
from tests.loop import create_draft
from tests.statements import counted
from workers.jobs.packed_pool import PoolReader
from workers.jobs.packing.forms import packed_side
from workers.jobs.unreadable import set_aside_rows

TEXTS = ["Good book!", "", "漢字", "a bad one"]


def a_project(session: Session, proxy: str = "vdcnn9", modality: str = "text") -> Project:
    target = ModelChoice("fasttext" if modality == "text" else "preact8")
    return create_draft(
        session, "reviews", modality, ["bad", "good"], ModelChoice(proxy), target, reserve=0
    )


def assert_equal(found: object, expected: Texts) -> None:
    assert isinstance(found, Texts)
    np.testing.assert_array_equal(found.token_ids, expected.token_ids)
    np.testing.assert_array_equal(found.offsets, expected.offsets)


@pytest.fixture
def store(settings: Settings) -> ArtifactStore:
    return ArtifactStore(settings.artifact_store_url)


@pytest.fixture
def reader(
    session_factory: sessionmaker[Session], settings: Settings, store: ArtifactStore
) -> PoolReader:
    return PoolReader(session_factory, store, settings)


@pytest.fixture
def words(reader: PoolReader) -> Project:
    """A project of TEXTS."""
    with transaction(reader.factory) as session:
        project = a_project(session)
        add_texts(session, project, TEXTS)
    return project


def add_texts(session: Session, project: Project, texts: list[str]) -> None:
    for one in texts:
        add(session, project, text=one)


def add_image(session: Session, project: Project, store: ArtifactStore, data: bytes) -> None:
    """Import an image as the service does, with the facts that it finds."""
    facts = inspect_image(data, Settings())
    add(session, project, content_hash=store.put(data), **asdict(facts))


def add(session: Session, project: Project, **content: object) -> None:
    index = project.n_pool
    key = f"é-{index}"
    session.add(
        Item(project_id=project.id, split=Split.POOL, index=index, external_id=key, **content)
    )
    session.merge(project).n_pool = index + 1
    project.n_pool = index + 1


def as_file(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def plain(color: object, size: tuple[int, int] = (8, 8)) -> bytes:
    mode = "L" if isinstance(color, int) else "RGB"
    return as_file(Image.new(mode, size, color))  # type: ignore[arg-type]


def read_words(reader: PoolReader, project: Project, n: int) -> Texts:
    setup = resolve_setup("fasttext", {"buckets": 1000})
    found = reader.read(project, Split.POOL, setup, n)
    assert isinstance(found, Texts)
    return found


def read_pixels(reader: PoolReader, project: Project, n: int) -> npt.NDArray[np.uint8]:
    found = reader.read(project, Split.POOL, resolve_setup("preact8", {}), n)
    assert isinstance(found, Images)
    return found.pixels


def test_each_model_reads_texts_in_its_encoding(reader: PoolReader, words: Project) -> None:
    characters = resolve_setup("vdcnn9", {"max_chars": 64})
    for n in (2, 4):  # the copy is extended when items were added
        found = reader.read(words, Split.POOL, characters, n)
        assert_equal(found, encode_characters(TEXTS[:n], 64))
        assert_equal(read_words(reader, words, n), encode(TEXTS[:n], 2, 1000))


class TestWhatChanged:
    def test_a_project_of_a_replaced_database_gets_its_own_texts(
        self, reader: PoolReader, words: Project
    ) -> None:
        read_words(reader, words, 4)
        with transaction(reader.factory) as session:  # the same ids, another project
            session.execute(text("UPDATE projects SET uid = gen_random_uuid()"))
            session.execute(text("UPDATE items SET text = 'other ' || index"))
            project = session.get_one(Project, words.id)
        expected = encode([f"other {k}" for k in range(4)], 2, 1000)
        assert_equal(read_words(reader, project, 4), expected)

    @pytest.mark.parametrize("column", ["text", "external_id"])
    def test_a_database_from_a_backup_with_other_items_since_gets_those(
        self, reader: PoolReader, words: Project, column: str
    ) -> None:
        again: list[tuple[int, int]] = []
        changed = update(Item).where(Item.index == 3).values({column: "new"})
        reader = replace(reader, block_items=2, on_block=lambda _, span: again.append(span))
        read_words(reader, words, 4)
        assert again == [(0, 2), (2, 4)]
        with transaction(reader.factory) as session:
            session.execute(changed)
        again.clear()
        texts = [*TEXTS[:3], "new" if column == "text" else TEXTS[3]]
        assert_equal(read_words(reader, words, 4), encode(texts, 2, 1000))
        assert again == [(2, 4)]

    def test_contents_are_compared_only_where_rows_were_written(
        self, reader: PoolReader, words: Project
    ) -> None:
        """In the database; a whole pool's would take seconds each round."""
        again: list[tuple[int, int]] = []
        reader = replace(reader, block_items=2, on_block=lambda _, span: again.append(span))

        def n_comparisons() -> int:
            with counted(reader.factory) as sent:
                read_words(reader, words, 4)
            return sum("sha256" in statement for statement in sent)

        assert (n_comparisons(), again) == (0, [(0, 2), (2, 4)])
        with transaction(reader.factory) as session:
            session.execute(text("UPDATE items SET width = width WHERE index = 3"))
        assert [n_comparisons(), n_comparisons()] == [1, 0]
        assert len(again) == 2

    @pytest.mark.parametrize("damage", ["zeroed", "truncated", "gone"])
    def test_damaged_files_are_packed_anew(
        self, reader: PoolReader, words: Project, settings: Settings, damage: str
    ) -> None:
        expected = read_words(reader, words, 4)
        for name in ("ids.i32", "lengths.i64", "pack.json"):
            (path,) = settings.cache_folder.rglob(name)
            data = path.read_bytes()
            damaged = {"zeroed": bytes(len(data)), "truncated": data[:-4], "gone": b""}[damage]
            path.write_bytes(damaged)
            assert_equal(read_words(reader, words, 4), expected)

    def test_brought_features_are_copied_again_when_the_copy_is_damaged(
        self, reader: PoolReader, store: ArtifactStore, settings: Settings
    ) -> None:
        buffer = io.BytesIO()
        np.save(buffer, np.arange(12, dtype=np.float32).reshape(3, 4))
        digest = store.put(buffer.getvalue())
        expected = np.array(reader.features(digest))
        (path,) = settings.cache_folder.rglob(f"{digest}.npy")
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        np.testing.assert_array_equal(reader.features(digest), expected)

    def test_the_database_hashes_contents_as_the_packing_does(
        self, reader: PoolReader, words: Project
    ) -> None:
        with transaction(reader.factory) as session:
            found = item_queries.content_digests(
                session, words.id, Split.POOL, [(1, 2), (2, 4), (4, 9)]
            )
            parts = [(1, 2), (2, 4)]
            contents = [item_queries.contents(session, words.id, "pool", *part) for part in parts]
        assert found == [*(item_queries.content_digest(part) for part in contents), ""]


class TestImages:
    @pytest.fixture
    def photos(self, session: Session) -> Project:
        project = a_project(session, "preact8", "image")
        session.commit()
        return project

    def fill(
        self, reader: PoolReader, project: Project, store: ArtifactStore, *images: bytes
    ) -> None:
        with transaction(reader.factory) as session:
            for data in images:
                add_image(session, project, store, data)

    def test_one_grey_image_first_leaves_the_others_their_colours(
        self, reader: PoolReader, photos: Project, store: ArtifactStore
    ) -> None:
        self.fill(reader, photos, store, plain(50))
        assert read_pixels(reader, photos, 1).shape == (1, 8, 8, 1)
        self.fill(reader, photos, store, *[plain((255, 0, 10 * k)) for k in range(4)])
        found = read_pixels(reader, photos, 5)
        assert found[:, 0, 0].tolist() == [[50, 50, 50], *[[255, 0, 10 * k] for k in range(4)]]
        assert read_pixels(reader, photos, 1).shape == (1, 8, 8, 3)

    def test_the_side_is_that_of_most_images_whatever_the_first_is(
        self, reader: PoolReader, photos: Project, store: ArtifactStore
    ) -> None:
        sizes = [(9, 60), *[(24, 20)] * 5, (50, 50)]
        self.fill(reader, photos, store, *[plain(7, size) for size in sizes])
        assert read_pixels(reader, photos, 7).shape == (7, 24, 24, 1)

    @pytest.mark.parametrize("turn", range(1, 9))
    def test_an_image_is_packed_as_annotators_see_it(
        self, reader: PoolReader, photos: Project, store: ArtifactStore, turn: int
    ) -> None:
        picture = Image.fromarray(np.arange(8 * 12, dtype=np.uint8).reshape(8, 12))
        exif = Image.Exif()
        exif[0x0112] = turn
        lying = as_file(picture, "PNG", exif=exif)
        with Image.open(io.BytesIO(lying)) as image:
            seen = as_file(ImageOps.exif_transpose(image))
        self.fill(reader, photos, store, lying, seen)
        found = read_pixels(reader, photos, 2)
        np.testing.assert_array_equal(found[0], found[1])
        with transaction(reader.factory) as session:
            sizes = set(session.execute(select(Item.width, Item.height)).all())
        assert len(sizes) == 1

    def test_an_image_that_cannot_be_read_is_zeros_until_it_is_taken_back(
        self, reader: PoolReader, photos: Project, store: ArtifactStore
    ) -> None:
        images = [plain(10 * k) for k in range(1, 5)]
        self.fill(reader, photos, store, *images)
        (path,) = (Path(reader.settings.artifact_store_url.removeprefix("file://"))).rglob(
            hashlib.sha256(images[2]).hexdigest()
        )
        path.unlink()
        assert read_pixels(reader, photos, 4)[:, 0, 0, 0].tolist() == [10, 20, 0, 40]
        assert set_aside_rows(reader.factory, photos.id, Split.POOL) == [2]
        store.put(images[2])
        assert read_pixels(reader, photos, 4)[2].max() == 0  # nobody took it back yet
        with transaction(reader.factory) as session:
            session.execute(text("DELETE FROM set_aside_items"))
        assert read_pixels(reader, photos, 4)[:, 0, 0, 0].tolist() == [10, 20, 30, 40]

    def test_a_store_that_fails_for_a_moment_fails_the_attempt_and_sets_nothing_aside(
        self, reader: PoolReader, photos: Project, store: ArtifactStore
    ) -> None:
        images = [plain(10 * k) for k in range(1, 5)]
        self.fill(reader, photos, store, *images)
        (path,) = (Path(reader.settings.artifact_store_url.removeprefix("file://"))).rglob(
            hashlib.sha256(images[2]).hexdigest()
        )
        path.unlink()
        path.mkdir()  # opening it is an OSError, as of a mount that is away
        with pytest.raises(OSError, match="directory"):
            read_pixels(reader, photos, 4)
        assert set_aside_rows(reader.factory, photos.id, Split.POOL) == []
        path.rmdir()
        store.put(images[2])
        assert read_pixels(reader, photos, 4)[:, 0, 0, 0].tolist() == [10, 20, 30, 40]


def test_a_project_without_brought_features_cannot_be_run_by_a_probe(session: Session) -> None:
    with pytest.raises(
        InvalidProject,
        match=r"proxy: probe takes frozen features; .*selection\.features is brought",
    ):
        a_project(session, proxy="probe")


@pytest.mark.parametrize(
    ("model", "recipe", "side"),
    [
        ("resnet18", {}, 256),  # of which the paper's recipe shows 224
        ("resnet18", {"name": "fast"}, 224),
        ("resnet18", {"image_size": 64}, 64),
        ("preact20", {}, 40),
    ],
)
def test_images_are_packed_at_the_side_that_shows_the_network_its_own(
    model: str, recipe: dict[str, object], side: int
) -> None:
    assert packed_side(find_model(model), resolve_recipe(model, recipe), 40) == side
