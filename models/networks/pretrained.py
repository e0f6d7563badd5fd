"""Loads starting weights from a file: published by torchvision or delivered by a job."""

import hashlib
import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from models.networks.network import Network


class PretrainedError(ValueError):
    """A file of weights is missing, damaged or another model's; the message says which."""


def load_pretrained(network: Network, path: Path) -> None:
    """Copy the weights of a file into the network, normalisation included.

    The head stays fresh where the file has another number of classes.

    Raises:
        PretrainedError: the file is missing, damaged or another model's.
    """
    tensors = network.from_published(read_weights(path))
    own = network.state_dict()
    head = {name for name in own if name.startswith("linear.")}
    if any(name in tensors and tensors[name].shape != own[name].shape for name in head):
        tensors = {name: tensor for name, tensor in tensors.items() if name not in head}
        tensors |= {name: own[name] for name in head}
    # Weights published before 2018 do not count batches.
    tensors = {n: t for n, t in own.items() if n.endswith("num_batches_tracked")} | tensors
    _check(network, path, own, tensors)
    network.load_state_dict(tensors)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file or of a torch state dict; never runs its code.

    Raises:
        PretrainedError: the file is missing, damaged or holds no weights.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise PretrainedError(f"There is no file of weights {path}.") from None
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = str(error).split("\n", 1)[0]
        raise PretrainedError(f"{path} is damaged or holds more than weights: {reason}") from None
    if not isinstance(found, dict) or not all(isinstance(v, Tensor) for v in found.values()):
        raise PretrainedError(f"{path} holds no state dict (names of weights with tensors).")
    return found


def weights_hash(path: Path) -> str:
    """Return the SHA-256 of a file of weights.

    Raises:
        PretrainedError: the file is missing.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise PretrainedError(f"{path} cannot be read: {error.strerror}.") from None


def _check(
    network: Network, path: Path, own: dict[str, Tensor], tensors: dict[str, Tensor]
) -> None:
    missing, strange = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    other = sorted(n for n in own.keys() & tensors.keys() if own[n].shape != tensors[n].shape)
    for names, fault in (
        (missing, "lacks"),
        (strange, "has unknown"),
        (other, "has other shapes:"),
    ):
        if names:
            raise PretrainedError(
                f"{path} holds another model's weights: for {type(network).__name__} it {fault} "
                f"{', '.join(names[:3])} ({len(names)} in all)."
            )
