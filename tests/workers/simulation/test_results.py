"""Lines of results that are damaged are named, never read as if they were whole."""

from pathlib import Path

import pytest

from workers.simulation.config import ExperimentError
from workers.simulation.model_studies.lines import StudyLine
from workers.simulation.results import LinesOf, is_shared


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


@pytest.mark.parametrize(
    ("seconds", "cpu_seconds", "device", "expected"),
    [
        (14.0, 10.0, "cpu", True),
        (12.0, 10.0, "cpu", False),
        (6.0, 10.0, "cpu", False),  # of two threads
        (0.05, 0.01, "cpu", False),  # too short for the clocks
        (14.0, 1.0, "cuda", False),
        (14.0, None, "cpu", False),
    ],
)
def test_seconds_that_cpu_seconds_do_not_explain_are_of_a_shared_machine(
    seconds: float, cpu_seconds: float | None, device: str, expected: bool
) -> None:
    assert is_shared(seconds, cpu_seconds, device) is expected
