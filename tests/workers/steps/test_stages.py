"""Stages of a long step: done once, kept, counted."""

from pathlib import Path

import numpy as np
import pytest

from models.seconds import PartSeconds
from models.training.train import TrainingStopped
from workers.steps.stages import Arrays, Stages


class Work:
    """Work that counts how often it was done."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self) -> tuple[Arrays, PartSeconds]:
        self.n += 1
        return {"x": np.arange(3)}, PartSeconds({"training": 2.0}, {"training": 5.0})


@pytest.mark.parametrize("is_on_disk", [False, True])
def test_a_stage_is_done_once_and_its_seconds_count_once(tmp_path: Path, is_on_disk: bool) -> None:
    work, said = Work(), []
    stages = Stages(tmp_path / "s" if is_on_disk else None, lambda n, name: said.append((n, name)))
    for name in ("a/1", "b", "a/1"):
        assert stages.do(name, work)["x"].tolist() == [0, 1, 2]
    assert work.n == 2
    assert said == [(0, "a/1"), (1, "b")]
    assert stages.seconds == PartSeconds({"training": 4.0}, {"training": 10.0})
    assert stages.spent_on("b") == (2.0, 5.0)


def test_a_resumed_step_repeats_no_stage_but_one_that_was_cut_off(tmp_path: Path) -> None:
    work = Work()
    Stages(tmp_path).do("a", work)
    (kept,) = tmp_path.iterdir()
    Stages(tmp_path).do("b", work)
    again = Stages(tmp_path)
    assert again.do("a", work)["x"].tolist() == [0, 1, 2]
    assert (work.n, again.seconds.cpu) == (2, {"training": 5.0})
    (cut,) = set(tmp_path.iterdir()) - {kept}
    cut.write_bytes(cut.read_bytes()[:100])
    again.do("b", work)
    assert work.n == 3
    again.forget()
    assert not tmp_path.exists()


def test_stops_before_a_stage_not_before_what_is_kept(tmp_path: Path) -> None:
    Stages(tmp_path).do("a", Work())
    stages = Stages(tmp_path, should_stop=lambda: True)
    stages.do("a", Work())
    with pytest.raises(TrainingStopped):
        stages.do("b", Work())
