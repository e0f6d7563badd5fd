"""Trains a model on arrays on disk, in one process or in several that torchrun starts."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from models.catalog import Encoding, ModelSetup, find_model
from models.data.arrays import Images, Vectors
from models.data.labeled import LabeledSet
from models.training.checkpoints import CheckpointFile
from models.training.distributed import rank_and_size
from models.training.train import train

CHECKPOINT_SECONDS = 60.0


def train_on_arrays(  # noqa: PLR0913 - by name: how and where it trains
    setup: ModelSetup,
    inputs: Path,
    labels: Path,
    out: Path,
    *,
    seed: int = 0,
    device: str = "cpu",
    should_stop: Callable[[], bool] | None = None,
) -> str:
    """Train and write the model; return a message for the user.

    Args:
        setup: a model of images or vectors, and how to train it.
        inputs: .npy of uint8 images [n, H, W, C] or features [n, d]; memory-mapped.
        labels: .npy of class indices, [n].
        out: the safetensors file; a checkpoint lies next to it until it is written.
        seed: of the training.
        device: "cpu" or "cuda"; under torchrun each process takes the GPU of its local rank.
        should_stop: asked before each minibatch, in every process.

    Raises:
        ValueError: the arrays do not fit the model or each other.
        TrainingStopped: `should_stop` returned True; the same command resumes it.
    """
    data, classes = _read_inputs(setup.model, inputs), np.load(labels, allow_pickle=False)
    if classes.ndim != 1 or not np.issubdtype(classes.dtype, np.integer) or len(classes) == 0:
        raise ValueError(f"{labels} must hold class indices [n], whole numbers.")
    is_spread = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"There is no device {device} here: torch finds no GPU.")
    if device == "cuda" and is_spread:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    if is_spread:
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        checkpoint = CheckpointFile(out.with_suffix(".checkpoint"), CHECKPOINT_SECONDS)
        trained = train(
            setup,
            LabeledSet(data, classes.astype(np.int64), int(classes.max()) + 1),
            seed,
            device=device,
            checkpoint=checkpoint,
            should_stop=should_stop,
        )
        if rank_and_size()[0] == 0:
            trained.save(out)
            checkpoint.remove()
    finally:
        if is_spread:
            dist.destroy_process_group()
    return f"{setup.model}: loss {trained.final_loss:.4f} after {trained.spent.wall:.1f} s; {out}"


def _read_inputs(model: str, path: Path) -> Images | Vectors:
    values, encoding = np.load(path, mmap_mode="r", allow_pickle=False), find_model(model).encoding
    if encoding is Encoding.PIXELS and values.dtype == np.uint8 and values.ndim == 4:
        return Images(values)
    if encoding is Encoding.VECTORS and values.dtype == np.float32 and values.ndim == 2:
        return Vectors(values)
    raise ValueError(
        f"{path} holds {values.dtype} {list(values.shape)}; a model of images takes uint8 "
        f"[n, H, W, C], one of vectors float32 [n, d], and {model} takes {encoding}."
    )
