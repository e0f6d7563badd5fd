"""Decides when a project's proxy is audited, and below which agreement an event reports it."""

from dataclasses import asdict, dataclass, field
from typing import Any

MIN_CORRELATION = 0.5
TARGETS = ("target", "target again")  # names of the target's two trainings, in a comparison


@dataclass(frozen=True)
class AuditRule:
    """After which rounds the proxy is compared with the target, and when that is worth an event."""

    every_rounds: int | None = field(
        default=None,
        metadata={
            "ge": 1,
            "le": 100_000,
            "description": "The proxy is audited when every so many rounds' batch is out; null: "
            "when it is asked for.",
        },
    )
    min_correlation: float = field(
        default=MIN_CORRELATION,
        metadata={
            "ge": -1,
            "le": 1,
            "description": "A correlation with the target's scores below this is an event.",
        },
    )

    def is_due(self, number: int) -> bool:
        """Return whether the proxy is audited with the round of this number, from 0."""
        return self.every_rounds is not None and number > 0 and number % self.every_rounds == 0

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; `from_json` reads them back."""
        return asdict(self)
