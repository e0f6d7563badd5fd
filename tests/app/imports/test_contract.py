"""Every format is recognised, read as it was written, and refused in words."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.imports.files import Limits
from app.imports.formats import FORMATS, open_source
from app.imports.found import FileRefused, Found, FoundItem
from tests.app.imports.written import IMAGES, WRITTEN, Written, png

COLOURS = {png(colour): colour for colour in IMAGES}


@pytest.fixture(params=WRITTEN)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Written]:
    """A file or folder of each format, and what it holds."""
    found = WRITTEN[request.param]
    folder = tmp_path / "written"
    folder.mkdir()
    return found[1](folder), found


def read(path: Path, **limits: int) -> list[Found]:
    with open_source(path, limits=Limits(**limits) if limits else None) as source:
        return list(_with_images(source.read()))


def _with_images(found: Iterator[Found]) -> Iterator[Found]:
    """Read each image while it is its turn."""
    for each in found:
        if isinstance(each, FoundItem) and each.image is not None:
            each.image()
        yield each


def content(item: FoundItem) -> str:
    return item.text if item.text is not None else COLOURS[item.image() if item.image else b""]


def test_every_format_is_tried() -> None:
    assert {each.name for each in FORMATS} == {name for name, _, _ in WRITTEN.values()}


def test_it_is_recognised(written: tuple[Path, Written]) -> None:
    path, (name, _, _) = written
    with open_source(path) as source:
        assert source.format.name == name


def test_it_is_read_as_it_was_written(written: tuple[Path, Written]) -> None:
    path, (_, _, classes) = written
    with open_source(path) as source:
        found = {}
        for item in source.read():
            assert isinstance(item, FoundItem), item
            assert item.line >= 1
            assert [item.text, item.image, item.image_uri].count(None) == 2
            found[content(item)] = [label.class_name for label in item.labels]
    assert found == {key: [name] for key, name in classes.items()}


def test_it_is_the_same_again_and_has_ids_of_its_own(written: tuple[Path, Written]) -> None:
    first, again = ([each.external_id for each in read(written[0])] for _ in range(2))
    assert first == again
    assert len(set(first)) == len(first)
    assert all(first)


@pytest.mark.parametrize("share", [0.3, 0.97])
def test_a_cut_off_file_is_refused_in_words(
    written: tuple[Path, Written], share: float, tmp_path: Path
) -> None:
    path, (_, _, classes) = written
    if path.is_dir():
        copy = shutil.copytree(path, tmp_path / "copy")
        cut = max(
            (file for file in copy.rglob("*") if file.is_file()), key=lambda f: f.stat().st_size
        )
    else:
        copy = cut = tmp_path / path.name
        shutil.copy(path, cut)
    cut.write_bytes(cut.read_bytes()[: int(share * cut.stat().st_size)])
    found: list[Found] = []
    with contextlib.suppress(FileRefused):  # whose sentence says what to do; nothing else is raised
        found = read(copy)
    assert len(found) <= len(classes) + 1


@pytest.mark.parametrize("name", ["zip", "tar.gz"])
def test_archives_are_bounded(name: str, tmp_path: Path) -> None:
    path = WRITTEN[f"image folder {name}"][1](tmp_path)
    with pytest.raises(FileRefused, match="more than 1 files"):
        read(path, max_entries=1)
