"""Archives that mean harm, and what lies in folders beside the data."""

import gzip
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from app.imports.files import Limits, open_files
from app.imports.formats import open_source
from app.imports.found import FileRefused, FoundItem, Refused
from tests.app.imports.written import in_folder, png, tarred, zipped


def refused_of(path: Path) -> list[str]:
    with open_files(path) as files:
        assert [entry.name for entry in files.entries] == ["good.png"]
        return [each.detail for each in files.refused]


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = zipped(tmp_path / "bomb.zip", {"a.csv": bytes(5_000_000)})
    with (
        pytest.raises(FileRefused, match="claims to unpack"),
        open_files(path, Limits(free_bytes=1000)),
    ):
        pass


def test_a_gzip_bomb_is_refused_while_it_unpacks(tmp_path: Path) -> None:
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(bytes(5_000_000)))
    with (
        pytest.raises(FileRefused, match="more than is taken"),
        open_files(path, Limits(free_bytes=1000)),
    ):
        pass


@pytest.mark.parametrize("name", ["../evil.png", "/etc/evil.png", "a/../../evil.png", "..\\e.png"])
def test_names_that_lead_out_are_refused_alone(name: str, tmp_path: Path) -> None:
    files = {"good.png": png("red"), name: png("red")}
    for path in (zipped(tmp_path / "a.zip", files), tarred(tmp_path / "a.tar", files)):
        (reason,) = refused_of(path)
        assert "leads out of the archive" in reason


def test_links_are_refused_alone(tmp_path: Path) -> None:
    tar = tmp_path / "a.tar"
    with tarfile.open(tar, "w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            member = tarfile.TarInfo(f"{kind!r}.png")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        member = tarfile.TarInfo("good.png")
        member.size = len(png("red"))
        archive.addfile(member, io.BytesIO(png("red")))
    assert len(refused_of(tar)) == 4
    packed = tmp_path / "a.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("good.png", png("red"))
    (reason,) = refused_of(packed)
    assert "link" in reason


def test_what_systems_leave_behind_is_not_read(tmp_path: Path) -> None:
    files = {
        "pets/good.png": png("red"),
        "pets/.DS_Store": b"x",
        "__MACOSX/pets/._good.png": b"x",
        "pets/Thumbs.db": b"x",
    }
    assert refused_of(zipped(tmp_path / "a.zip", files)) == []
    folder = in_folder(tmp_path / "a", {k.removeprefix("pets/"): v for k, v in files.items()})
    assert refused_of(folder) == []


def test_a_folder_around_all_gives_the_same_ids(tmp_path: Path) -> None:
    inside = {"cat/1.png": png("red"), "dog/2.png": png("blue")}
    wrapped = {f"pets/{name}": data for name, data in inside.items()}
    paths = (in_folder(tmp_path / "a", inside), zipped(tmp_path / "b.zip", wrapped))
    for path in paths:
        with open_source(path) as source:
            assert [each.external_id for each in source.read()] == sorted(inside)


def test_splits_are_folders_above_the_classes(tmp_path: Path) -> None:
    names = ("train/cat/1.png", "train/dog/2.png", "val/cat/3.png")
    with open_source(in_folder(tmp_path / "a", dict.fromkeys(names, png("red")))) as source:
        found = [each for each in source.read() if isinstance(each, FoundItem)]
    assert [item.split for item in found] == ["pool", "pool", "evaluation"]
    assert [item.labels[0].class_name for item in found] == ["cat", "dog", "cat"]


def test_images_that_a_table_names_are_read_from_beside_it(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("path,label\nimages/a.png,x\nimages/b.png,y\n../../etc/passwd,x\n")
    in_folder(tmp_path, {"images/a.png": png("red")})
    with open_source(table, sees_neighbours=True) as source:
        item, missing, outside = source.read()
    assert isinstance(item, FoundItem)
    assert item.image is not None
    assert item.image() == png("red")
    assert isinstance(missing, Refused)
    assert "no file 'images/b.png'" in missing.detail
    assert isinstance(outside, Refused)
    with open_source(table) as source:  # as the service reads it
        assert all(isinstance(each, Refused) for each in source.read())


def test_a_table_beside_images_speaks_of_some_of_them(tmp_path: Path) -> None:
    files = {f"{name}.jpg": png("red") for name in "abc"}
    table = b"image,label,site\na.jpg,x,north\nb,y,south\nz.jpg,x,\n"
    with open_source(in_folder(tmp_path / "a", {**files, "labels.csv": table})) as source:
        *items, refused = source.read()
    assert isinstance(refused, Refused)
    assert "'z.jpg', which is not there" in refused.detail
    assert all(isinstance(item, FoundItem) for item in items)
    found = {i.external_id: (i.labels, i.metadata) for i in items if isinstance(i, FoundItem)}
    assert [len(labels) for labels, _ in found.values()] == [1, 1, 0]
    assert found["b.jpg"][1] == {"site": "south"}


def test_an_unknown_format_lists_the_known(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(os.urandom(100))
    with pytest.raises(FileRefused, match="Label Studio"), open_source(tmp_path / "x.bin"):
        pass
    with (
        pytest.raises(FileRefused, match="no format 'exel'"),
        open_source(tmp_path / "x.bin", "exel"),
    ):
        pass
