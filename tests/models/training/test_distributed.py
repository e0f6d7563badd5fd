"""Two processes that train together learn what one would."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed as dist
from torch.multiprocessing.spawn import spawn

from models.catalog import ModelSetup
from models.data.arrays import Images
from models.data.labeled import LabeledSet
from models.training.distributed import part_of, rank_and_size, share_of
from models.training.train import TrainedModel, load_model, train
from tests.models.training.test_train import make_set, weights

N = 57  # odd: the last minibatches have parts of different size


def fit_odd(model: str) -> TrainedModel:
    inputs, labels, recipe = make_set(model, N)
    overrides: dict[str, object] = {"epochs": 2}
    if isinstance(inputs, Images):
        overrides |= {"horizontal_flip": True, "cutout": 2}
    return train(
        ModelSetup(model, recipe.with_overrides(overrides)), LabeledSet(inputs, labels, 2), 5
    )


def work(rank: int, size: int, folder: str, model: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=size
    )
    trained = fit_odd(model)
    trained.save(Path(folder) / f"{rank}.safetensors")
    inputs, labels, recipe = make_set(model, N)
    with pytest.raises(ValueError, match="counted by one process"):
        train(ModelSetup(model, recipe), LabeledSet(inputs, labels, 2), 5, count_forgetting=True)
    dist.destroy_process_group()


def fit_by_two(model: str, folder: Path) -> tuple[TrainedModel, TrainedModel]:
    spawn(work, (2, str(folder), model), nprocs=2)  # type: ignore[no-untyped-call]
    first, second = (load_model(folder / f"{rank}.safetensors") for rank in (0, 1))
    return first, second


@pytest.mark.slow
@pytest.mark.timeout(400)
class TestTwoProcesses:
    def test_learn_the_same_as_one(self, tmp_path: Path) -> None:
        first, second = fit_by_two("fasttext", tmp_path)
        alone = fit_odd("fasttext")
        for a, b, one in zip(weights(first), weights(second), weights(alone), strict=True):
            assert torch.equal(a, b)
            torch.testing.assert_close(a, one, atol=1e-5, rtol=1e-4)
        assert first.final_loss == pytest.approx(alone.final_loss, rel=1e-4)

    def test_batch_norm_of_parts_learns_too(self, tmp_path: Path) -> None:
        first, second = fit_by_two("preact8", tmp_path)
        for a, b in zip(first.network.parameters(), second.network.parameters(), strict=True):
            assert torch.equal(a, b)
        assert first.final_loss == pytest.approx(fit_odd("preact8").final_loss, rel=0.5)


class TestParts:
    def test_parts_cover_a_minibatch_once_and_weigh_what_they_hold(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for n in range(1, 12):
            found: list[int] = []
            shares: list[float] = []
            for rank in range(3):
                monkeypatch.setattr(
                    "models.training.distributed.rank_and_size", lambda r=rank: (r, 3)
                )
                start, stop = part_of(n)
                assert stop > start
                shares.append(share_of(n))
                found.extend(range(start, stop) if shares[-1] else [])
                assert shares[-1] in {0, (stop - start) * 3 / n}
            assert found == list(range(n))
            assert np.mean(shares) == pytest.approx(1)

    def test_a_training_by_itself_is_the_only_one(self) -> None:
        assert rank_and_size() == (0, 1)
        assert part_of(5) == (0, 5)
        assert share_of(5) == 1.0
