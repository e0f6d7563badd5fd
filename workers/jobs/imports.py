"""Runs imports: reads a file by its format and hands the items to the project, piece by piece.

Each piece is stored with how far the import is, in one fenced transaction: a killed worker costs
the piece at hand, and nothing is stored twice.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any

from app.config import Settings
from app.db.queries import projects
from app.db.session import transaction
from app.db.tables import Import, Project, Split
from app.domain.annotation import share_of
from app.domain.errors import ItemInvalid
from app.imports.files import Limits
from app.imports.formats import Source, open_source
from app.imports.found import FileRefused, Found, FoundItem, Options, Refused
from app.imports.given import answers_of, class_of, plain_class_of
from app.services import file_imports, jobs
from app.services.import_counts import MAX_ERRORS, ImportCounts
from app.services.import_sources import local_source
from app.services.prepared_items import ItemIn, prepare_items
from workers.jobs.attempt import Attempt
from workers.jobs.packs import PackingStopped

PIECE_BYTES = 16 << 20


def run_import(attempt: Attempt) -> None:
    """Do the claimed import.

    Raises:
        JobFenced: the job was taken from this worker, or cancelled; what was stored stays.
        PackingStopped: `should_stop` asked for it; the next attempt resumes.
    """
    with transaction(attempt.factory) as session:
        found = file_imports.begin_import(session, attempt.claimed)
        project = projects.get(session, attempt.claimed.project_id)
    limits = Limits(
        max_bytes=attempt.settings.max_body_bytes * attempt.settings.max_expansion,
        max_expansion=attempt.settings.max_expansion,
    )
    try:
        with (
            local_source(found, attempt.store, attempt.settings) as path,
            open_source(path, found.options.get("format"), limits) as source,
        ):
            _read(attempt, project, found, source)
    except (FileRefused, ItemInvalid) as error:  # trying again would not help
        _fail(attempt, str(error))
        return
    attempt.write_fenced(lambda db: file_imports.end_import(db, attempt.claimed))


def _fail(attempt: Attempt, reason: str) -> None:
    claimed = attempt.claimed
    attempt.write_fenced(
        lambda db: jobs.fail_attempt(db, claimed.id, claimed.token, reason, for_good=True)
    )


def _read(attempt: Attempt, project: Project, found: Import, source: Source) -> None:
    claimed, settings = attempt.claimed, attempt.settings
    attempt.write_fenced(lambda db: file_imports.set_format(db, claimed, source.format.name))
    options = Options(
        found.options.get("columns") or {},
        found.options.get("encoding"),
        found.options.get("delimiter"),
        found.options.get("annotators") or {},
    )
    rest = islice(source.read(options), found.n_done, None)
    for piece, refused in _pieces(rest, found.options, _most(settings)):
        if attempt.should_stop():
            raise PackingStopped
        prepared = prepare_items(project, attempt.store, settings, piece, refused)
        take = partial(
            file_imports.take_piece,
            claimed=claimed,
            settings=settings,
            prepared=prepared,
            refused=refused,
        )
        attempt.write_fenced(take)


def _most(settings: Settings) -> int:
    """Return the most lines of a piece: the reason of each is kept, whatever becomes of it."""
    return min(settings.import_chunk_lines, MAX_ERRORS)


def _pieces(
    found: Iterator[Found], options: Mapping[str, Any], most: int
) -> Iterator[tuple[list[tuple[int, ItemIn]], ImportCounts]]:
    """Yield (items by line, what is refused) of pieces of limited size."""
    items: list[tuple[int, ItemIn]] = []
    refused, n_bytes = ImportCounts(), 0
    for each in found:
        item = _item_in(each, options, refused)
        if item is not None:
            items.append((each.line, item))
            n_bytes += len(item.image or item.text or b"")
        if len(items) + refused.n_failed >= most or n_bytes >= PIECE_BYTES:
            yield items, refused
            items, refused, n_bytes = [], ImportCounts(), 0
    if items or refused.n_failed:
        yield items, refused


def _item_in(found: Found, options: Mapping[str, Any], refused: ImportCounts) -> ItemIn | None:
    """Return the item as the project takes it, its skips counted; None: it is refused."""
    if isinstance(found, Refused):
        refused.refuse(found.line, found.external_id, "line_invalid", found.detail)
        return None
    refused.n_skips += found.n_skips
    try:
        image = found.image() if found.image is not None else None
    except (OSError, ValueError) as error:
        refused.refuse(found.line, found.external_id, "line_invalid", str(error))
        return None
    return ItemIn(
        external_id=found.external_id,
        split=_split(found, options),
        class_name=plain_class_of(found),
        answers=answers_of(found),
        text=found.text,
        image_uri=found.image_uri,
        image=image,
        metadata=found.metadata,
        copies=bool(options.get("copies_images")),
    )


def _split(found: FoundItem, options: Mapping[str, Any]) -> Split:
    """Return the split that was asked for, the file's, or one drawn by the external id."""
    given = options.get("split") or found.split
    if given is not None:
        return Split(given)
    share = options.get("evaluation_share", 0.0)
    is_drawn = share_of("evaluation", found.external_id) < share
    return Split.EVALUATION if is_drawn and class_of(found) is not None else Split.POOL
