"""small-text's BADGE, given the class probabilities that the benchmark holds."""

from collections.abc import Callable

import numpy as np
from serve import Arrays, serve
from small_text.integrations.pytorch.query_strategies.strategies import BADGE


def select(arrays: Arrays, n_labeled: int, budget: int) -> Callable[[], np.ndarray]:
    """Return the selection, ready to run."""
    probs, features = arrays["probs"], arrays["features"]
    pool = np.arange(n_labeled, len(features))
    strategy = BADGE(probs.shape[1])
    nothing = np.empty(0, np.int64)
    return lambda: strategy.sample(
        None, None, pool, nothing, nothing, budget, features, embeddings_proba=probs
    )


if __name__ == "__main__":
    serve("small-text", select)
