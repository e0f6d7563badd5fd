"""Counts of an import so far, its refused lines, and classes and answers yet to be decided."""

from collections.abc import Sequence
from dataclasses import dataclass, field

MAX_EXTERNAL_ID = 512


MAX_ERRORS = 1000


MAX_DETAIL = 1000


@dataclass(frozen=True)
class RefusedLine:
    """The reason why one line or file was refused."""

    line: int
    external_id: str | None
    code: str
    detail: str


@dataclass(frozen=True)
class LateClass:
    """A class that a line brings for an item known without one."""

    line: int
    external_id: str
    class_index: int


@dataclass(frozen=True)
class LateAnswers:
    """Answers that a line brings for a known item: (annotator, class index) each."""

    line: int
    external_id: str
    answers: Sequence[tuple[str, int]]


@dataclass
class ImportCounts:
    """Counts of an import so far; `late` and `late_answers` are lines that are yet to be decided.

    `n_labels` are answers by annotators that were stored, `n_skips` those that a reader left out.
    """

    n_created: int = 0
    n_updated: int = 0
    n_known: int = 0
    n_failed: int = 0
    n_without_spaces: int = 0
    n_labels: int = 0
    n_skips: int = 0
    errors: list[RefusedLine] = field(default_factory=list)
    late: list[LateClass] = field(default_factory=list)
    late_answers: list[LateAnswers] = field(default_factory=list)

    def refuse(self, line: int, external_id: str | None, code: str, detail: str) -> None:
        """Count a refused line; the first 1,000 are kept with their reasons, cut."""
        self.n_failed += 1
        if self.keeps_reasons:
            named = None if external_id is None else external_id[:MAX_EXTERNAL_ID]
            self.errors.append(RefusedLine(line, named, code, detail[:MAX_DETAIL]))

    @property
    def keeps_reasons(self) -> bool:
        """Whether a reason would be kept; those of the first 1,000 are."""
        return len(self.errors) < MAX_ERRORS

    def why(self) -> str:
        """Return where and why a line was refused first."""
        if not self.errors:
            return "they conflict with known items."
        first = self.errors[0]
        return f"the first is line {first.line}: {first.detail}"

    def add(self, other: "ImportCounts") -> None:
        """Add the counts of another part of the same import."""
        self.n_created += other.n_created
        self.n_updated += other.n_updated
        self.n_known += other.n_known
        self.n_failed += other.n_failed
        self.n_without_spaces += other.n_without_spaces
        self.n_labels += other.n_labels
        self.n_skips += other.n_skips
        self.errors = sorted(self.errors + other.errors, key=lambda fault: fault.line)[:MAX_ERRORS]
