"""Lines of results that are damaged are named, never read as if they were whole."""

from pathlib import Path

import pytest

from workers.simulation.config import ExperimentError
from workers.simulation.model_studies.lines import StudyLine
from workers.simulation.results import LinesOf


def line(epoch: int) -> StudyLine:
    return StudyLine(
        experiment="e",
        experiment_hash="0",
        data="digits",
        model="m",
        architecture="preact8",
        seed=1,
        epochs=9,
        epoch=epoch,
        error=0.5,
        train_seconds=1.0,
        scores_file="s",
        device="cpu",
        recipe_hash="0",
        via="process",
    )


@pytest.fixture
def lines(tmp_path: Path) -> LinesOf[StudyLine]:
    found = LinesOf(StudyLine, tmp_path / "out", "m", 1)
    for epoch in (1, 2, 3):
        found.append(line(epoch))
    return found


def test_a_line_that_was_cut_off_is_dropped(lines: LinesOf[StudyLine]) -> None:
    lines.path.write_bytes(lines.path.read_bytes()[:-5])
    assert [kept.epoch for kept in lines.read()] == [1, 2]
    lines.append(line(7))
    assert [kept.epoch for kept in lines.read()] == [1, 2, 7]


@pytest.mark.parametrize("damage", [b"\0" * 9, b'{"epoch": 2}', b"[1]"])
def test_a_damaged_line_is_named_with_what_to_do(lines: LinesOf[StudyLine], damage: bytes) -> None:
    first, _, third = lines.path.read_bytes().splitlines(keepends=True)
    lines.path.write_bytes(first + damage + b"\n" + third)
    with pytest.raises(ExperimentError, match=r"Line 2 of .*m-seed1\.jsonl is damaged"):
        lines.read()
