"""A run in an archive is read as its folder is."""

from pathlib import Path

from tests.workers.reports.made_up import active_learning_config, write_active_learning
from workers.reports.report import document_of
from workers.simulation.archive import ARCHIVE, opened, pack


def packed(tmp_path: Path) -> tuple[Path, Path]:
    """Return a run's folder, and one that holds only its archive."""
    run = write_active_learning(tmp_path / "run", active_learning_config(), lambda *_: 0.1)
    stored = tmp_path / "stored"
    stored.mkdir()
    pack(run, stored / ARCHIVE)
    return run, stored


def test_a_report_of_the_archive_is_that_of_the_folder(tmp_path: Path) -> None:
    run, stored = packed(tmp_path)
    for path in (stored, stored / ARCHIVE):
        assert document_of([path]).records == document_of([run]).records


def test_every_file_of_the_run_is_in_it_and_unpacked_only_for_a_while(tmp_path: Path) -> None:
    run, stored = packed(tmp_path)
    with opened(stored) as folder:
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
            path.name: path.read_bytes() for path in run.iterdir()
        }
    assert not folder.exists()


def test_the_same_run_gives_the_same_archive(tmp_path: Path) -> None:
    run, stored = packed(tmp_path)
    pack(run, tmp_path / "again.tar.xz")
    assert (tmp_path / "again.tar.xz").read_bytes() == (stored / ARCHIVE).read_bytes()
