"""A first look at what files hold: for a preview, `--dry-run`, and to make a project of it."""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.imports.found import Found, FoundItem, Refused
from app.imports.given import answers_of, class_of

MIN_FOR_EVALUATION = 2  # labeled items of a class


@dataclass
class Survey:
    """Counts of what was found; `labeled` are ids of the pool by class."""

    n_texts: int = 0
    n_images: int = 0
    n_refused: int = 0
    n_disputed: int = 0
    n_skips: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    annotators: Counter[str] = field(default_factory=Counter)
    labeled: dict[str, list[str]] = field(default_factory=dict)
    first_refused: list[Refused] = field(default_factory=list)
    first: FoundItem | None = None

    @property
    def n_items(self) -> int:
        """Number of items that were found."""
        return self.n_texts + self.n_images

    @property
    def modality(self) -> str:
        """Text or image.

        Raises:
            ValueError: there are both, or none.
        """
        if self.n_texts and self.n_images:
            raise ValueError(
                f"There are {self.n_texts} texts and {self.n_images} images; a project holds one "
                "kind. Import them into two projects."
            )
        if not self.n_items:
            reason = f" {self.first_refused[0].detail}" if self.first_refused else ""
            raise ValueError(f"No item was found.{reason}")
        return "text" if self.n_texts else "image"

    def add(self, found: Iterable[Found]) -> None:
        """Count what a source holds."""
        for each in found:
            if isinstance(each, Refused):
                self.n_refused += 1
                if len(self.first_refused) < 10:
                    self.first_refused.append(each)
            else:
                self._count(each)

    def _count(self, item: FoundItem) -> None:
        self.first = self.first or item
        self.n_texts += item.text is not None
        self.n_images += item.text is None
        self.n_skips += item.n_skips
        self.splits[item.split or "pool"] += 1
        name = class_of(item)
        self.n_disputed += name is None and bool(item.labels)
        self.classes.update({given.class_name for given in item.labels})
        self.annotators.update(annotator for annotator, _ in answers_of(item))
        if name is not None and item.split != "evaluation":
            self.labeled.setdefault(name, []).append(item.external_id)

    def drawn_for_evaluation(self, share: float, seed: int) -> frozenset[str]:
        """Return ids of the pool's labeled items: the share of each class, drawn by seed.

        Every class of at least two gets one, so that each is measured; the same items whatever the
        order that they are found in.
        """
        drawn: list[str] = []
        for name, ids in sorted(self.labeled.items()):
            if share > 0 and len(ids) >= MIN_FOR_EVALUATION:
                n = min(len(ids) - 1, max(1, round(share * len(ids))))
                drawn += random.Random(f"{seed}/{name}").sample(sorted(ids), n)
        return frozenset(drawn)
