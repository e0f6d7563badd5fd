"""Agreement among annotators, and shares with their interval, from counts.

The labels stay in the database, which counts them; what is left is arithmetic on C numbers, so that
a project of a million labels needs no array of them. Tests compare with scikit-learn, krippendorff,
statsmodels' definition and SciPy.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

Z_95 = 1.959963984540054  # standard normal quantile of 0.975


@dataclass
class ClassCounts:
    """Counts over the items that have at least two labels; sums of several rounds add up.

    Attributes:
        n_items: such items.
        labels: their labels by class.
        matches: by class, the sum over items of n_c (n_c - 1) / (m - 1): of m labels, n_c are of
            the class. The diagonal of Krippendorff's coincidence matrix.
        agreeing_pairs: sum over items and classes of n_c (n_c - 1) / (m (m - 1)).
    """

    n_items: int = 0
    labels: dict[int, int] = field(default_factory=dict)
    matches: dict[int, float] = field(default_factory=dict)
    agreeing_pairs: float = 0.0

    @property
    def n_labels(self) -> int:
        """Labels of all classes."""
        return sum(self.labels.values())

    def add(self, other: "ClassCounts") -> None:
        """Add the counts of other items."""
        self.n_items += other.n_items
        self.agreeing_pairs += other.agreeing_pairs
        for c, n in other.labels.items():
            self.labels[c] = self.labels.get(c, 0) + n
        for c, value in other.matches.items():
            self.matches[c] = self.matches.get(c, 0.0) + value


def krippendorff_alpha(counts: ClassCounts) -> float | None:
    """Return Krippendorff's alpha for nominal data; None where it is not defined.

    Items may have different numbers of labels. Source: Krippendorff, "Computing Krippendorff's
    alpha-reliability" (2011), section C.
    """
    n = counts.n_labels
    expected = n * n - sum(k * k for k in counts.labels.values())
    if expected == 0:
        return None
    observed = n - sum(counts.matches.values())
    return 1 - (n - 1) * observed / expected


def fleiss_kappa(counts: ClassCounts) -> float | None:
    """Return Fleiss' kappa; None without shared items or with a single class.

    Items may have different numbers of labels: each weighs the same in the observed agreement, and
    classes weigh by their labels in the expected one. Source: Fleiss (1971), equations 5 to 7.
    """
    n = counts.n_labels
    if n == 0:
        return None
    by_chance = sum((k / n) ** 2 for k in counts.labels.values())
    return _beyond_chance(counts.agreeing_pairs / counts.n_items, by_chance)


def cohen_kappa(pairs: Mapping[tuple[int, int], int]) -> float | None:
    """Return Cohen's kappa of two annotators; None without shared items or with one class.

    Args:
        pairs: (class by the first, class by the second) -> items. Source: Cohen (1960).
    """
    n = sum(pairs.values())
    if n == 0:
        return None
    first: dict[int, int] = {}
    second: dict[int, int] = {}
    for (a, b), k in pairs.items():
        first[a] = first.get(a, 0) + k
        second[b] = second.get(b, 0) + k
    observed = sum(k for (a, b), k in pairs.items() if a == b) / n
    by_chance = sum(k * second.get(c, 0) for c, k in first.items()) / (n * n)
    return _beyond_chance(observed, by_chance)


def wilson_interval(n_right: int, n: int) -> tuple[float, float]:
    """Return the 95% interval of a share; (0, 1) without trials. Source: Wilson (1927)."""
    if n == 0:
        return 0.0, 1.0
    share = n_right / n
    scale = 1 + Z_95**2 / n
    middle = (share + Z_95**2 / (2 * n)) / scale
    half = Z_95 * math.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n * n)) / scale
    # Rounding may put an end past the share itself at 0 and 1.
    return min(max(0.0, middle - half), share), max(min(1.0, middle + half), share)


def _beyond_chance(observed: float, by_chance: float) -> float | None:
    return None if by_chance >= 1 else (observed - by_chance) / (1 - by_chance)
