"""Imports of a data set's items into a project of a service, and the names that both get."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.data.arrays import Images
from models.data.readers import Part
from svp_client import Client


def item_id(split: str, index: int, part: Part) -> str:
    """Return the external id of an item."""
    return f"{split}-{index:07d}" + (".png" if isinstance(part.content, Images) else "")


def project_name(experiment: str, arm: str, seed: int, run_id: str) -> str:
    """Return the name of the project of one arm and seed."""
    return f"{experiment}-{arm}-seed{seed}-{run_id}"


def encode_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return an image [H, W, 1|3] as lossless PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def import_part(
    client: Client,
    project: int,
    split: str,
    part: Part,
    classes: list[str],
    *,
    is_labeled: bool,
    called: str | None = None,
) -> None:
    """Import items in index order; their classes go along only where they are labeled.

    They are `called` after the split, unless it is said otherwise.
    """
    names = [item_id(called or split, i, part) for i in range(len(part))]
    about = [
        {"split": split, "class": classes[c]} if is_labeled else {"split": split}
        for c in part.labels
    ]
    if isinstance(part.content, Images):
        files = [(n, encode_png(p)) for n, p in zip(names, part.content.pixels, strict=True)]
        counts = client.upload_images(project, files, dict(zip(names, about, strict=True)))
    else:
        counts = client.import_items(
            project,
            (
                {"external_id": n, "text": text, **more}
                for n, text, more in zip(names, part.content, about, strict=True)
            ),
        )
    if counts["n_failed"]:
        raise ValueError(f"{counts['n_failed']} items were refused by the service.")
