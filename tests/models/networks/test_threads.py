"""Threads: their number follows from the work, the same work gives the same bits."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from models.catalog import ModelSetup, resolve_setup
from models.data.arrays import Images
from models.data.labeled import LabeledSet
from models.networks import threads
from models.networks.build import fresh_network
from models.networks.threads import fix_threads, scoring_flops, suitable_threads
from models.predict import predict
from models.recipes import CIFAR_PAPER
from models.training.train import train
from workers.steps.threads import use_threads

SMALL, LARGE = threads.SMALLEST_SHARED_FLOPS / 2, threads.SMALLEST_SHARED_FLOPS * 2


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    n, was_fixed = torch.get_num_threads(), threads.FIXED.is_set
    threads.FIXED.is_set = False  # a test before this one may have fixed them
    yield
    torch.set_num_threads(n)
    threads.FIXED.is_set = was_fixed


def threads_at(flops: float) -> int:
    with suitable_threads(lambda: flops):
        return torch.get_num_threads()


class TestSuitableThreads:
    def test_small_work_has_one_thread_and_large_work_all(self) -> None:
        torch.set_num_threads(3)
        assert (threads_at(SMALL), threads_at(LARGE)) == (1, 3)
        assert torch.get_num_threads() == 3

    def test_they_are_put_back_after_an_error(self) -> None:
        torch.set_num_threads(3)
        with pytest.raises(ValueError, match="broke"), suitable_threads(lambda: SMALL):
            raise ValueError("broke")
        assert torch.get_num_threads() == 3

    def test_the_operators_number_wins(self) -> None:
        fix_threads(2)
        assert (threads_at(SMALL), threads_at(LARGE)) == (2, 2)

    @pytest.mark.parametrize(("n", "is_fixed"), [(2, True), (1, False)])
    def test_operations_are_counted_only_where_they_decide(self, n: int, is_fixed: bool) -> None:
        torch.set_num_threads(n)
        threads.FIXED.is_set = is_fixed

        def count() -> float:
            raise AssertionError("counted")

        with suitable_threads(count):
            assert torch.get_num_threads() == n

    def test_the_worker_fixes_a_number_that_is_set_and_no_other(self) -> None:
        use_threads(2)
        assert threads_at(SMALL) == 2
        use_threads(None)
        assert threads_at(SMALL) == 1, "also after work whose number was fixed"


class TestFlops:
    @pytest.mark.parametrize(
        ("model", "side", "channels", "expected"),
        [("preact20", 32, 3, 81_626_368), ("preact8", 8, 1, 1_527_040)],
    )
    def test_they_are_those_of_convolutions_and_linear_layers(
        self, model: str, side: int, channels: int, expected: int
    ) -> None:
        """The expected numbers come from torch.utils.flop_counter."""
        images = Images(np.zeros((2, side, side, channels), np.uint8))
        network = fresh_network(ModelSetup(model, CIFAR_PAPER), images, 10)
        weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        assert scoring_flops(network, images, 1) == expected
        assert scoring_flops(network, images, 7) == 7 * expected
        assert network.training
        for name, tensor in network.state_dict().items():
            assert torch.equal(tensor, weights[name])

    def test_no_inputs_are_no_work(self) -> None:
        images = Images(np.zeros((1, 8, 8, 1), np.uint8))
        network = fresh_network(ModelSetup("preact8", CIFAR_PAPER), images, 10)
        assert scoring_flops(network, images.take(np.empty(0, np.int64)), 64) == 0


def test_a_small_training_gives_the_same_bits_whatever_the_number_of_cores() -> None:
    rng = np.random.default_rng(0)
    images = Images(rng.integers(0, 256, (24, 8, 8, 1), dtype=np.uint8))
    labels = rng.integers(0, 2, 24)
    setup = resolve_setup("preact8", {"epochs": 2})
    found = []
    for n in (1, 2, 4):
        torch.set_num_threads(n)
        trained = train(setup, LabeledSet(images, labels, 2), 1)
        found.append(predict(trained, images).probs)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
