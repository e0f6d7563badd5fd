"""Random crops, mirrored images and blanked squares for a whole minibatch on its device.

What happens to each image is drawn first, on the CPU, so that the stream depends neither on the
device nor on which part of the minibatch a process of several takes.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional

from models.recipe import Recipe

SCALES = (0.08, 1.0)  # share of the image's area
ASPECTS = (3 / 4, 4 / 3)


@dataclass(frozen=True)
class Draws:
    """Augmentation of each of n images; None = not applied.

    Attributes:
        shifts: rows and columns of the crop's corner in the padded image, [n, 2].
        boxes: top, left, height, width of the crop that is scaled back up, as shares, [n, 4].
        is_mirrored: [n].
        holes: centre of the blanked square as shares of height and width, [n, 2].
    """

    shifts: Tensor | None = None
    boxes: Tensor | None = None
    is_mirrored: Tensor | None = None
    holes: Tensor | None = None

    def part(self, start: int, stop: int) -> "Draws":
        """Return the changes to the images from start to stop."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return Draws(**{k: v if v is None else v[start:stop] for k, v in found.items()})


def draw(n: int, recipe: Recipe, generator: torch.Generator) -> Draws:
    """Draw the recipe's changes to n images; `generator` is on the CPU."""
    shifts = boxes = is_mirrored = holes = None
    if recipe.random_resized_crop:
        boxes = _draw_boxes(n, generator)
    elif recipe.crop_padding:
        shifts = torch.randint(0, 2 * recipe.crop_padding + 1, (2, n), generator=generator).T
    if recipe.horizontal_flip:
        is_mirrored = torch.rand(n, generator=generator) < 0.5
    if recipe.cutout:
        holes = torch.rand((n, 2), generator=generator)
    return Draws(shifts, boxes, is_mirrored, holes)


def augment(images: Tensor, recipe: Recipe, draws: Draws) -> Tensor:
    """Return the uint8 images [n, C, H, W] changed as drawn; where a crop leaves them, zeros."""
    device = images.device
    if draws.boxes is not None:
        side = recipe.view_side(images.shape[-1])
        images = _crop_boxes(images, draws.boxes.to(device, non_blocking=True), side)
    else:
        images = centre(images, recipe)
    if draws.shifts is not None:
        images = _crop(images, recipe.crop_padding, draws.shifts.to(device, non_blocking=True))
    if draws.is_mirrored is not None:
        is_mirrored = draws.is_mirrored.to(device, non_blocking=True)[:, None, None, None]
        images = torch.where(is_mirrored, images.flip(3), images)
    if draws.holes is not None:
        images = _blank(images, recipe.cutout, draws.holes.to(device, non_blocking=True))
    return images


def centre(images: Tensor, recipe: Recipe) -> Tensor:
    """Return the part of the images [n, C, H, W] that the network sees when it scores."""
    if recipe.crop_fraction == 1:
        return images
    height, width = (recipe.view_side(int(side)) for side in images.shape[-2:])
    top, left = (images.shape[-2] - height) // 2, (images.shape[-1] - width) // 2
    return images[..., top : top + height, left : left + width]


def _crop(images: Tensor, padding: int, shifts: Tensor) -> Tensor:
    n, _, height, width = images.shape
    device = images.device
    padded = functional.pad(images, (padding, padding, padding, padding))
    rows = shifts[:, :1] + torch.arange(height, device=device)
    columns = shifts[:, 1:] + torch.arange(width, device=device)
    item = torch.arange(n, device=device)[:, None, None]
    crops = padded.permute(0, 2, 3, 1)[item, rows[:, :, None], columns[:, None, :]]
    return crops.permute(0, 3, 1, 2)


def _draw_boxes(n: int, generator: torch.Generator) -> Tensor:
    """Return random boxes of square images as shares: top, left, height, width, [n, 4].

    Source: torchvision's RandomResizedCrop. Difference: a box that would leave the image is made
    as high or wide as it, where torchvision draws ten times.
    """
    low, high = SCALES
    area = low + (high - low) * torch.rand(n, generator=generator)
    log_low, log_high = (torch.tensor(a).log() for a in ASPECTS)
    aspect = (log_low + (log_high - log_low) * torch.rand(n, generator=generator)).exp()
    sides = torch.stack([(area / aspect).sqrt(), (area * aspect).sqrt()], 1).clamp(max=1.0)
    corners = (1 - sides) * torch.rand((n, 2), generator=generator)
    return torch.cat([corners, sides], 1)


def _crop_boxes(images: Tensor, boxes: Tensor, side: int) -> Tensor:
    """Return each image's box scaled to `side` pixels, bilinearly, without antialiasing."""
    top, left, height, width = boxes.unbind(1)
    zero = torch.zeros_like(top)
    # Output coordinates in -1..1 to input coordinates in -1..1.
    rows = [width, zero, 2 * left + width - 1, zero, height, 2 * top + height - 1]
    affine = torch.stack(rows, 1).view(-1, 2, 3)
    grid = functional.affine_grid(affine, [*images.shape[:2], side, side], align_corners=False)
    scaled = functional.grid_sample(
        images.float(), grid, padding_mode="border", align_corners=False
    )
    return scaled.round_().clamp_(0, 255).to(torch.uint8)


def _blank(images: Tensor, side: int, holes: Tensor) -> Tensor:
    """Return images with a square of `side` pixels blanked, cut where it leaves the image.

    Source: DeVries & Taylor 2017.
    """
    _, _, height, width = images.shape
    tops = (holes[:, :1] * height).long() - side // 2
    lefts = (holes[:, 1:] * width).long() - side // 2
    rows = torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device)
    in_rows = (rows >= tops) & (rows < tops + side)
    in_columns = (columns >= lefts) & (columns < lefts + side)
    return images.masked_fill((in_rows[:, :, None] & in_columns[:, None, :])[:, None], 0)
