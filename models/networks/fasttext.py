"""fastText's classifier in torch: mean of hashed n-gram embeddings, then a linear layer.

Source: Joulin et al. 2016. Differences: plain minibatch SGD instead of one text at a time, and the
full softmax; both make it deterministic for a seed.
"""

import torch
from torch import Tensor, nn

from models.catalog import ModelSetup
from models.data.arrays import InputSpec
from models.networks.network import Network


class FastText(Network):
    """Features are the mean embedding, [n, dim]."""

    def __init__(self, buckets: int, dim: int, n_classes: int, *, sparse: bool) -> None:
        super().__init__()
        self.n_features = dim
        self.embedding = nn.EmbeddingBag(buckets, dim, mode="mean", sparse=sparse)
        nn.init.uniform_(self.embedding.weight, -1 / dim, 1 / dim)
        self.linear = nn.Linear(dim, n_classes, bias=False)
        nn.init.zeros_(self.linear.weight)

    def features(self, *inputs: Tensor) -> Tensor:
        """Return [n, dim] from (ids, offsets); a text without words gives zeros."""
        ids, offsets = inputs
        if len(ids) == 0:
            return torch.zeros(len(offsets), self.embedding.embedding_dim, device=offsets.device)
        return self.embedding(ids, offsets)

    def head(self, features: Tensor) -> Tensor:
        """Return the logits of features, [n, C]."""
        return self.linear(features)


def build(setup: ModelSetup, _spec: InputSpec, n_classes: int) -> FastText:
    """Return the network of the recipe's buckets and width.

    Plain SGD touches only the rows of a minibatch's n-grams; momentum and decay touch all of them.
    """
    recipe = setup.recipe
    is_sparse = recipe.momentum == recipe.weight_decay == 0
    return FastText(recipe.buckets, recipe.dim, n_classes, sparse=is_sparse)
