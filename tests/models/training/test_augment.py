"""Augmentation equals its definition image by image."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.recipe import Recipe
from models.training.augment import augment, draw


def images(n: int, height: int = 6, width: int = 6, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(1, 256, (n, 3, height, width), generator=generator, dtype=torch.uint8)


def recipe(**fields: object) -> Recipe:
    return Recipe((1,), (0.1,), **fields)  # type: ignore[arg-type]


def drawn(n: int, asked: Recipe, seed: int = 0):  # type: ignore[no-untyped-def]
    return draw(n, asked, torch.Generator().manual_seed(seed))


class TestAugment:
    @given(
        n=st.integers(1, 6),
        padding=st.integers(1, 4),
        side=st.integers(0, 5),
        seed=st.integers(0, 99),
    )
    def test_crop_flip_and_cutout_equal_the_definition(
        self, n: int, padding: int, side: int, seed: int
    ) -> None:
        asked = recipe(crop_padding=padding, horizontal_flip=True, cutout=side)
        before, draws = images(n, 5, 7, seed), drawn(n, asked, seed)
        after = augment(before, asked, draws).numpy()
        assert draws.shifts is not None
        assert draws.is_mirrored is not None
        for i in range(n):
            image = np.pad(before[i].numpy(), ((0, 0), (padding, padding), (padding, padding)))
            top, left = draws.shifts[i].tolist()
            image = image[:, top : top + 5, left : left + 7]
            image = image[:, :, ::-1].copy() if draws.is_mirrored[i] else image.copy()
            if side:
                assert draws.holes is not None
                y, x = (draws.holes[i] * torch.tensor([5, 7])).long().tolist()
                y, x = y - side // 2, x - side // 2
                image[:, max(y, 0) : max(y + side, 0), max(x, 0) : max(x + side, 0)] = 0
            np.testing.assert_array_equal(after[i], image)

    def test_nothing_asked_changes_nothing(self) -> None:
        before = images(3)
        assert augment(before, recipe(), drawn(3, recipe())) is before

    @pytest.mark.parametrize("resized", [False, True])
    def test_the_network_sees_the_crop_fraction_of_a_side(self, resized: bool) -> None:
        asked = recipe(crop_fraction=0.75, random_resized_crop=resized)
        before = images(3, 8, 8, 0)
        after = augment(before, asked, drawn(3, asked))
        assert after.shape == (3, 3, 6, 6)
        assert torch.equal(after, before[:, :, 1:7, 1:7]) != resized

    def test_parts_of_a_minibatch_are_changed_as_in_the_whole(self) -> None:
        asked = recipe(crop_padding=2, horizontal_flip=True, cutout=2)
        before, draws = images(7), drawn(7, asked)
        whole = augment(before, asked, draws)
        parts = [augment(before[a:b], asked, draws.part(a, b)) for a, b in [(0, 3), (3, 7)]]
        assert torch.equal(torch.cat(parts), whole)


class TestRandomResizedCrop:
    asked = recipe(random_resized_crop=True)

    def test_boxes_lie_in_the_image_and_vary(self) -> None:
        top, left, height, width = drawn(5000, self.asked).boxes.unbind(1)
        assert (top >= 0).all()
        assert (left >= 0).all()
        assert (top + height <= 1 + 1e-6).all()
        assert (left + width <= 1 + 1e-6).all()
        area = height * width
        assert area.min() >= 0.07
        assert 0.4 < area.mean() < 0.6
        assert 0.7 < (width / height).median() < 1.4

    @pytest.mark.parametrize("box", [(0.0, 0.0, 1.0, 1.0), (0.5, 0.0, 0.5, 0.5)])
    def test_a_box_is_scaled_back_up(self, box: tuple[float, ...]) -> None:
        # A ramp stays a ramp: its value at a pixel's centre tells where the pixel came from.
        size = 8
        ramp = (torch.arange(size) * 30).to(torch.uint8).repeat(size, 1)
        before = torch.stack([ramp, ramp.T])[None]
        draws = type(drawn(1, self.asked))(boxes=torch.tensor([box]))
        after = augment(before, self.asked, draws)[0].numpy()
        top, left, height, width = box
        centres = (np.arange(size) + 0.5) / size
        columns = np.clip((left + width * centres) * size - 0.5, 0, size - 1) * 30
        rows = np.clip((top + height * centres) * size - 0.5, 0, size - 1) * 30
        np.testing.assert_allclose(after[0], np.tile(columns, (size, 1)), atol=1)
        np.testing.assert_allclose(after[1], np.tile(rows[:, None], (1, size)), atol=1)
