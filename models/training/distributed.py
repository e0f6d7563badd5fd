"""One training by several processes started by `torchrun`: each takes a part of a minibatch.

A training takes part where torch.distributed is initialised, and learns what one process would, up
to float rounding: the parts' gradients are weighted by their sizes. Batch norm sees the whole
minibatch on CUDA (SyncBatchNorm); on the CPU, for which torch has none, each part by itself.
"""

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")


def rank_and_size() -> tuple[int, int]:
    """Return this process's number and how many there are; (0, 1) for a training by itself."""
    if not (dist.is_available() and dist.is_initialized()):
        return 0, 1
    return dist.get_rank(), dist.get_world_size()


def spread(network: nn.Module, device: str) -> nn.Module:
    """Return the network with its gradients averaged over the processes as they are computed."""
    if rank_and_size()[1] == 1:
        return network
    if device.startswith("cuda"):
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return DistributedDataParallel(network, device_ids=[torch.device(device)])
    return DistributedDataParallel(network)


def part_of(n: int) -> tuple[int, int]:
    """Return start and stop of this process's part of a minibatch of n; never empty."""
    rank, size = rank_and_size()
    start, stop = n * rank // size, n * (rank + 1) // size
    return (start, stop) if stop > start else (0, 1)


def share_of(n: int) -> float:
    """Return the weight of this process's mean loss in the mean over processes.

    1 where the parts are equal; 0 where there are fewer items than processes and none is left.
    """
    rank, size = rank_and_size()
    return (n * (rank + 1) // size - n * rank // size) * size / n


def any_of(is_true: bool) -> bool:  # noqa: FBT001 - the value itself
    """Return whether the value is true in any process; each must ask at the same point."""
    if rank_and_size()[1] == 1:
        return is_true
    flag = torch.tensor([is_true], dtype=torch.int32, device=_device())
    dist.all_reduce(flag, op=dist.ReduceOp.MAX)
    return bool(flag)


def from_first(value: T) -> T:
    """Return the first process's value in every process."""
    if rank_and_size()[1] == 1:
        return value
    holder = [value]
    dist.broadcast_object_list(holder, src=0, device=_device())
    return holder[0]


def _device() -> torch.device:
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")


def averaged(values: Tensor) -> Tensor:
    """Return the mean over the processes."""
    size = rank_and_size()[1]
    if size > 1:
        dist.all_reduce(values)
        values /= size
    return values
