"""Keeps the labels that the service acknowledged to annotators, and which must be stored."""

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field

Key = tuple[int, int, str]
SHOWN_ERRORS = 20


def _nothing_stands() -> dict[Key, set[str | None]]:
    return defaultdict(lambda: {None})


@dataclass
class Ledger:
    """Per (project, item, annotator) the classes that may stand at the end; None: no label.

    A request without an answer leaves both what stood and what it asked for; an answer leaves one.
    `longest_silence` is (seconds, when it began) without an acknowledged label.
    """

    standing: dict[Key, set[str | None]] = field(default_factory=_nothing_stands)
    counts: Counter[str] = field(default_factory=Counter)
    server_errors: list[str] = field(default_factory=list)
    last_label_at: float = 0.0
    longest_silence: tuple[float, float] = (0.0, 0.0)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, key: Key, wanted: str | None) -> None:
        """Note that a request is on its way: it may come to pass, answered or not."""
        with self._lock:
            self.standing[key].add(wanted)

    def acknowledge(self, key: Key, stands: str | None, at: float) -> None:
        """Note what the service says that stands now."""
        with self._lock:
            self.standing[key] = {stands}
            self.counts["labels acknowledged" if stands else "withdrawals acknowledged"] += 1
            silence = (at - self.last_label_at, self.last_label_at)
            self.longest_silence = max(self.longest_silence, silence)
            self.last_label_at = at

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def note_server_error(self, where: str, status: int, body: str) -> None:
        """Remember an answer of 500 and above; 503 and 507 are honest in a fault, 500 never is."""
        with self._lock:
            self.counts[f"answers {status}"] += 1
            if status not in (502, 503, 504, 507) and len(self.server_errors) < SHOWN_ERRORS:
                self.server_errors.append(f"{where}: {status} {body[:300]}")
