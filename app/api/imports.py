"""Imports lines: chunks are stored as they come, or with `strict` all or none."""

import asyncio
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, TypeVar

import orjson
from fastapi import Request
from psycopg import DataError as DriverDataError
from pydantic import ValidationError
from sqlalchemy.exc import DataError
from starlette.datastructures import UploadFile

from app.api.deps import in_reading_thread, in_thread
from app.api.ndjson import Chunk, NumberedLine, read_chunks
from app.api.uploads import items_of
from app.config import Settings
from app.db.session import transaction
from app.db.tables import Project
from app.domain.errors import BodyInvalid, BodyTooLarge, ImportRefused, ItemInvalid
from app.schemas.items import ItemLine, UploadForm, answers_of
from app.services.import_counts import ImportCounts
from app.services.items import store_items
from app.services.prepared_items import ItemIn, Prepared, prepare_items
from app.storage.artifacts import ArtifactStore

Row = TypeVar("Row")


@dataclass
class BodyImport:
    """One request's import.

    Attributes:
        counts: stored lines, and lines refused while they were stored.
        copies: whether images that lie behind addresses are stored here.
        unfit: lines refused earlier; kept apart, because another thread counts them.
    """

    request: Request
    project: int
    settings: Settings
    store: ArtifactStore
    copies: bool = False
    counts: ImportCounts = field(default_factory=ImportCounts)
    unfit: ImportCounts = field(default_factory=ImportCounts)

    async def run(self) -> ImportCounts:
        """Store the body's lines as they come; return the counts.

        Raises:
            BodyInvalid, BodyTooLarge: the body ends early; the error says what was kept.
        """
        storing = asyncio.create_task(in_thread(self.request, self._keep, []))
        project = await storing  # refuses an ended project before a line is read
        chunks = read_chunks(self.request.stream(), self.settings)
        try:
            try:
                # A chunk is stored while the next one is read and prepared.
                async for chunk in chunks:
                    self._check_refused()
                    prepared = await in_reading_thread(self.request, self._prepare, project, chunk)
                    await storing
                    storing = asyncio.create_task(in_thread(self.request, self._keep, prepared))
            finally:
                await storing
        except (BodyInvalid, BodyTooLarge) as error:
            raise type(error)(f"{error.detail} {self._kept()}") from None
        self.counts.add(self.unfit)
        return self.counts

    async def run_strictly(self) -> ImportCounts:
        """Store all lines in one transaction, once the last one has come; return the counts.

        Prepared lines wait in a file: nothing is read or checked under the project's lock.

        Raises:
            ImportRefused: at least one line cannot be taken; nothing is stored.
        """
        project = await in_thread(self.request, self._keep, [])
        self.settings.uploads_folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.settings.uploads_folder) as file:
            async for chunk in read_chunks(self.request.stream(), self.settings):
                self._check_refused()
                await in_reading_thread(self.request, self._write, project, chunk, file)
            if not self.unfit.n_failed:
                await in_thread(self.request, self._keep_all, _read(file))
        self._refuse_faults()
        return self.counts

    async def store_files(
        self, form: UploadForm, files: list[UploadFile], *, strict: bool
    ) -> ImportCounts:
        """Store uploaded files, numbered from 1; return the counts.

        Raises:
            ImportRefused: a file cannot be taken and the upload is strict; no item is stored.
        """
        project = await in_thread(self.request, self._keep, [])
        items = enumerate(items_of(form, files, self.settings), start=1)
        prepared = await in_reading_thread(
            self.request, prepare_items, project, self.store, self.settings, items, self.unfit
        )
        if strict:
            if not self.unfit.n_failed:
                await in_thread(self.request, self._keep_all, prepared)
            self._refuse_faults()
            return self.counts
        await in_thread(self.request, self._keep, prepared)
        self.counts.add(self.unfit)
        return self.counts

    def _keep_all(self, prepared: Iterable[Prepared]) -> None:
        """Store all in one transaction, or nothing."""
        with transaction(self.request.app.state.session_factory) as session:
            for rows in _in_groups(prepared, self.settings.import_chunk_lines):
                store_items(session, self.settings, self.project, rows, self.counts)
            self._refuse_faults()

    def _refuse_faults(self) -> None:
        self.counts.add(self.unfit)
        self.unfit = ImportCounts()
        if self.counts.n_failed:
            raise ImportRefused(
                f"{self.counts.n_failed} lines cannot be taken and the import is strict: nothing "
                "was stored. Correct them and send all again, or leave `strict` out.",
                [vars(fault) for fault in self.counts.errors],
            )

    def _check_refused(self) -> None:
        n_refused = self.unfit.n_failed + self.counts.n_failed
        if n_refused > self.settings.max_refused_lines:
            raise BodyInvalid(
                f"More than {self.settings.max_refused_lines} lines cannot be taken "
                f"(SVP_MAX_REFUSED_LINES): {self.unfit.why()}"
            )

    def _prepare(self, project: Project, chunk: Chunk) -> list[Prepared]:
        items = _parsed(chunk, self.unfit, copies=self.copies)
        return prepare_items(project, self.store, self.settings, items, self.unfit)

    def _write(self, project: Project, chunk: Chunk, file: IO[bytes]) -> None:
        file.writelines(orjson.dumps(row) + b"\n" for row in self._prepare(project, chunk))

    def _keep(self, prepared: Sequence[Prepared]) -> Project:
        """Store a chunk; a row that no column can hold is refused, the others are stored."""
        counts = ImportCounts()
        try:
            with transaction(self.request.app.state.session_factory) as session:
                project = store_items(session, self.settings, self.project, prepared, counts)
        except (DataError, DriverDataError) as error:
            if not prepared:  # it is the project's number that no column can hold
                raise
            if len(prepared) > 1:
                half = len(prepared) // 2
                self._keep(prepared[:half])
                return self._keep(prepared[half:])
            line, row = prepared[0]
            reason = str(error).partition("\n")[0]
            self.counts.refuse(
                line, row["external_id"], "line_unstorable", f"It cannot be stored: {reason}."
            )
            return self._keep([])
        self.counts.add(counts)
        return project

    def _kept(self) -> str:
        return (
            f"{self.counts.n_created + self.counts.n_known} lines before that were kept "
            f"({self.counts.n_created} new, {self.counts.n_known} known) and "
            f"{self.counts.n_failed + self.unfit.n_failed} refused; sending all again is safe."
        )


def _parsed(
    lines: Iterable[NumberedLine], counts: ImportCounts, *, copies: bool
) -> Iterator[tuple[int, ItemIn]]:
    """Yield the lines that are items; count the others as refused."""
    for number, line in lines:
        if isinstance(line, ItemInvalid):
            counts.refuse(number, None, line.item_code, line.detail)
            continue
        try:
            parsed = ItemLine.model_validate_json(line)
        except ValidationError as error:
            # No more is shown than is kept: the reasons take longer than the reading.
            why = _why_refused(line, error) if counts.keeps_reasons else ("line_invalid", "")
            counts.refuse(number, None, *why)
        else:
            yield (
                number,
                ItemIn(
                    external_id=parsed.external_id,
                    split=parsed.split,
                    class_name=parsed.class_,
                    answers=answers_of(parsed.labels),
                    text=parsed.text,
                    image_uri=parsed.image_uri,
                    metadata=parsed.all_metadata,
                    copies=copies,
                ),
            )


def _why_refused(line: bytes, error: ValidationError) -> tuple[str, str]:
    """Return (code, detail) of a line that is no item."""
    try:
        line.decode()
    except UnicodeDecodeError:
        return "line_not_utf8", "The line is not UTF-8; convert the file to UTF-8."
    fault = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in fault["loc"]) or "line"
    return "line_invalid", f"{place}: {fault['msg']}."


def _read(file: IO[bytes]) -> Iterator[Prepared]:
    file.seek(0)
    for line in file:
        number, row = orjson.loads(line)
        yield number, row


def _in_groups(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    group: list[Row] = []
    for row in rows:
        group.append(row)
        if len(group) == size:
            yield group
            group = []
    yield group
