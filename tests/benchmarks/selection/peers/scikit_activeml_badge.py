"""scikit-activeml's Badge, given the class probabilities that the benchmark holds."""

from collections.abc import Callable

import numpy as np
from serve import Arrays, serve
from skactiveml.base import SkactivemlClassifier
from skactiveml.pool import Badge


class Known(SkactivemlClassifier):
    """A fitted classifier whose probabilities of the pool are known."""

    def __init__(self, probs=None, classes=None, missing_label=np.nan):
        super().__init__(classes=classes, missing_label=missing_label)
        self.probs = probs

    def fit(self, X, y, sample_weight=None):
        """Fit nothing."""
        return self

    def predict_proba(self, X):
        """Return the probabilities that were given."""
        return self.probs


def select(arrays: Arrays, n_labeled: int, budget: int) -> Callable[[], np.ndarray]:
    """Return the selection, ready to run."""
    probs = arrays["probs"][n_labeled:].astype(np.float64)
    pool = arrays["features"][n_labeled:].astype(np.float64)
    labels = np.full(len(pool), np.nan)
    known = Known(probs, classes=list(range(probs.shape[1])))
    strategy = Badge(random_state=0)
    return lambda: np.array(strategy.query(pool, labels, known, fit_clf=False, batch_size=budget))


if __name__ == "__main__":
    serve("scikit-activeml", select)
