"""Sends what readers found to a project, in pieces; an interrupted import resumes."""

import csv
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from app.imports.files import Files
from app.imports.found import Found, FoundItem, Refused
from app.imports.given import answers_of, plain_class_of
from svp_client import Client
from svp_client.types import ImportResult

PIECE_ITEMS = 4000
PIECE_FILES = 250
PIECE_BYTES = 8 << 20
ERROR_COLUMNS = ("file", "line", "external_id", "code", "reason")


@dataclass
class Progress:
    """Progress of the import of one source; `n_done` counts the items that its reader yielded."""

    n_done: int = 0
    is_complete: bool = False
    n_created: int = 0
    n_updated: int = 0
    n_known: int = 0
    n_failed: int = 0
    n_labels: int = 0
    n_skips: int = 0


@dataclass
class Journal:
    """A file that remembers how far an import is."""

    path: Path
    progress: Progress = field(default_factory=Progress)

    @classmethod
    def open(cls, *identity: object) -> "Journal":
        """Return the journal of an import; a source or options that changed begin a new one."""
        name = hashlib.sha256(json.dumps(identity, default=str).encode()).hexdigest()[:24]
        journal = cls(state_folder() / f"{name}.json")
        try:
            journal.progress = Progress(**json.loads(journal.path.read_text()))
        except (OSError, ValueError, TypeError):
            journal.progress = Progress()
        return journal

    def save(self) -> None:
        """Write the progress, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self.progress)))
        new.replace(self.path)


def state_folder() -> Path:
    """Return the folder of the journals."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "svp" / "imports"


def digest_of(path: Path, files: Files) -> str:
    """Return what changes when a source does: names, sizes, and the time of a lone file."""
    known = hashlib.sha256()
    for entry in files.entries:
        known.update(f"{entry.name}\0{entry.size}\0".encode("utf-8", "surrogatepass"))
    if path.is_file():
        known.update(str(path.stat().st_mtime_ns).encode())
    return known.hexdigest()


class ErrorFile:
    """A CSV of refused lines; it is made when the first one comes."""

    def __init__(self, path: Path, *, is_continued: bool) -> None:
        self.path, self.n_written, self._is_begun = path, 0, is_continued and path.exists()

    def write(self, name: str, line: int, external_id: str | None, code: str, reason: str) -> None:
        """Add a line."""
        with self.path.open("a" if self._is_begun else "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if not self._is_begun:
                writer.writerow(ERROR_COLUMNS)
            writer.writerow((name, line, external_id or "", code, reason))
        self._is_begun = True
        self.n_written += 1


@dataclass
class Sender:
    """Sends to one project.

    Attributes:
        client: of the service.
        project: its id.
        errors: takes what is refused, here or by the service.
        split_of: split of an item.
        on_progress: is told how many items of the source are done.
        copies: whether the service stores images that lie behind addresses.
    """

    client: Client
    project: int
    errors: ErrorFile
    split_of: Callable[[FoundItem], str]
    on_progress: Callable[[int], None]
    copies: bool = False

    def send(self, name: str, found: Iterable[Found], journal: Journal) -> Progress:
        """Send what an earlier run has not; return the counts of all runs."""
        progress = journal.progress
        if progress.is_complete:
            return progress
        for piece in _pieces(found, progress.n_done):
            for each in piece.refused:
                progress.n_failed += 1
                self.errors.write(name, each.line, each.external_id, "not_read", each.detail)
            if piece.lines:
                lines = (self._line(item) for item in piece.lines)
                result = self.client.import_items(self.project, lines, copies_images=self.copies)
                self._note(name, piece.lines, result, progress)
            if piece.files:
                self._note(name, [f[0] for f in piece.files], self._upload(piece), progress)
            progress.n_done += piece.n_found
            progress.n_skips += piece.n_skips
            journal.save()
            self.on_progress(progress.n_done)
        progress.is_complete = True
        journal.save()
        return progress

    def _note(
        self, name: str, sent: list[FoundItem], result: ImportResult, progress: Progress
    ) -> None:
        progress.n_created += result["n_created"]
        progress.n_updated += result["n_updated"]
        progress.n_known += result["n_known"]
        progress.n_failed += result["n_failed"]
        progress.n_labels += result["n_labels"]
        for error in result["errors"]:
            item = sent[error["line"] - 1]
            self.errors.write(name, item.line, item.external_id, error["code"], error["detail"])

    def _upload(self, piece: "Piece") -> ImportResult:
        about = {
            str(i): {"external_id": item.external_id, **self._about(item)}
            for i, (item, _) in enumerate(piece.files)
        }
        files = [(str(i), data) for i, (_, data) in enumerate(piece.files)]
        return self.client.upload_images(self.project, files, about)

    def _line(self, item: FoundItem) -> dict[str, Any]:
        content = "text" if item.text is not None else "image_uri"
        value = item.text if item.text is not None else item.image_uri
        return {"external_id": item.external_id, content: value, **self._about(item)}

    def _about(self, item: FoundItem) -> dict[str, Any]:
        about: dict[str, Any] = {"split": self.split_of(item)}
        answers = answers_of(item)
        if answers:
            about["labels"] = [{"annotator": who, "class": name} for who, name in answers]
        name = plain_class_of(item)
        if name is not None:
            about["class"] = name
        if item.metadata:
            about["metadata"] = dict(item.metadata)
        return about


@dataclass
class Piece:
    """Items that are sent together; a file comes with its bytes, which were read in its turn."""

    lines: list[FoundItem] = field(default_factory=list)
    files: list[tuple[FoundItem, bytes]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    n_found: int = 0
    n_bytes: int = 0
    n_skips: int = 0

    @property
    def is_full(self) -> bool:
        """Whether no more should be added."""
        is_large = len(self.files) >= PIECE_FILES or self.n_bytes >= PIECE_BYTES
        return is_large or self.n_found >= PIECE_ITEMS

    def add(self, found: Found) -> None:
        """Add what a reader yielded."""
        self.n_found += 1
        if isinstance(found, Refused):
            self.refused.append(found)
            return
        self.n_skips += found.n_skips
        if found.image is None:
            self.lines.append(found)
            self.n_bytes += len(found.text or "")
        else:
            try:
                data = found.image()
            except (OSError, ValueError) as error:
                self.refused.append(Refused(found.line, str(error), found.external_id))
            else:
                self.files.append((found, data))
                self.n_bytes += len(data)


def _pieces(found: Iterable[Found], n_done: int) -> Iterator[Piece]:
    """Yield pieces of what follows the first `n_done`."""
    piece = Piece()
    for each in islice(found, n_done, None):
        piece.add(each)
        if piece.is_full:
            yield piece
            piece = Piece()
    if piece.n_found:
        yield piece
