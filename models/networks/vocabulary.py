"""The base of networks whose buffers grow with the training set."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from models.networks.network import Network


class VocabularyNetwork(Network):
    """A network over the ids of its training set: it loads buffers of any length.

    Attributes:
        vocabulary: the ids, ascending, [v]; none before it is trained.
    """

    vocabulary: Tensor
    sized_by_vocabulary: ClassVar[tuple[str, ...]] = ()
    """Names of the other buffers that have as many rows or columns as the training set needs."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("vocabulary", torch.empty(0, dtype=torch.int64))

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        for name in ("vocabulary", *self.sized_by_vocabulary):
            if prefix + name in state_dict:
                setattr(self, name, torch.empty_like(state_dict[prefix + name]))
        super()._load_from_state_dict(state_dict, prefix, *args)
