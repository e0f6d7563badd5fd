"""Random crops and mirrored images for a whole minibatch on its device."""

import torch
from torch import Tensor
from torch.nn import functional


def augment(images: Tensor, padding: int, *, flip: bool, generator: torch.Generator) -> Tensor:
    """Return images [n, C, H, W] shifted by up to `padding` pixels (zeros enter) and mirrored.

    `generator` is on the CPU, so that the stream does not depend on the device.
    """
    n, _, height, width = images.shape
    if padding:
        shifts = torch.randint(0, 2 * padding + 1, (2, n), generator=generator).to(images.device)
        padded = functional.pad(images, (padding, padding, padding, padding))
        rows = shifts[0][:, None] + torch.arange(height, device=images.device)
        columns = shifts[1][:, None] + torch.arange(width, device=images.device)
        item = torch.arange(n, device=images.device)[:, None, None]
        crops = padded.permute(0, 2, 3, 1)[item, rows[:, :, None], columns[:, None, :]]
        images = crops.permute(0, 3, 1, 2)
    if flip:
        is_mirrored = torch.rand(n, generator=generator).to(images.device) < 0.5
        images = torch.where(is_mirrored[:, None, None, None], images.flip(3), images)
    return images
