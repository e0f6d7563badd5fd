"""Brings the pack of one split up to date: packs missing, stale and damaged blocks.

What is there was checked: against the items in the database, and against the checksums of what was
written. Two workers on one machine may pack at the same time: a lock file lets one of them do it.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import items as item_queries
from app.db.queries.set_aside import Unreadable
from app.db.session import transaction
from app.db.tables import Project, Split
from app.domain.errors import ArtifactMissing
from app.storage.artifacts import ArtifactStore
from workers.jobs.packing.forms import Form, ItemSource
from workers.jobs.packing.processes import make_blocks
from workers.jobs.packs import LIST, Block, Pack, PackedBlock, PackingStopped, Span, grow
from workers.jobs.unreadable import set_aside, set_aside_rows

BLOCKS_A_QUERY = 50
CONNECTIONS = 2  # on which the database hashes items at once
COMMIT_SECONDS = 10.0
OnBlock = Callable[[Split, Span], None]


def _never() -> bool:
    return False


@dataclass
class SplitPacker:
    """Packs a project's split in one form; checks each block only once.

    Attributes:
        should_stop: whether to stop, asked between blocks.
        on_block: called with each span that was packed.
        block_items: of a block; None: as the form says.
        commit_seconds: a killed packing resumes from a commit that is at most this old.
    """

    factory: sessionmaker[Session]
    store: ArtifactStore
    settings: Settings
    project: Project
    split: Split
    form: Form
    should_stop: Callable[[], bool] = _never
    on_block: OnBlock | None = None
    block_items: int | None = None
    commit_seconds: float = COMMIT_SECONDS
    _checked: list[Block] = field(default_factory=list)

    @contextmanager
    def packed(self, n: int) -> Iterator[Path]:
        """Yield the folder of a pack that holds the first `n` items, locked against others.

        Items that cannot be read are set aside.

        Raises:
            ArtifactMissing: most of what was read now cannot be.
            PackingStopped: `should_stop` asked for it; what was packed is kept.
        """
        folder = self._folder()
        with locked(folder / "lock"):
            self._bring_up(folder, n)
            yield folder

    def _folder(self) -> Path:
        cache = self.settings.cache_folder
        # Where the packs of versions before this one lay; nobody reads them.
        shutil.rmtree(cache / f"project-{self.project.id}", ignore_errors=True)
        folder = cache / "packs" / str(self.project.uid) / f"{self.split}-{self.form.key}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _bring_up(self, folder: Path, n: int) -> None:
        unreadable: list[Unreadable] = []
        n_read = 0
        source = ItemSource(self.factory, self.store, self.settings, self.project.id, self.split)

        def made(spans: Sequence[Span]) -> Iterator[PackedBlock]:
            nonlocal n_read
            blocks = make_blocks(source, self.form, spans, self.should_stop)
            for span, one in zip(spans, blocks, strict=True):
                n_read += span[1] - span[0]
                unreadable.extend(one.unreadable)
                yield one.block
                if self.on_block:
                    self.on_block(self.split, span)

        about = {"project": str(self.project.uid), "split": self.split, **self.form.about}
        began, before = self._database_time(), _modified(folder / LIST)
        with Pack(folder, about, self.form.files) as pack:
            try:
                grow(
                    pack, n, made, stale=self._stale_blocks(pack, n),
                    fixed_size=self.form.fixed_size,
                    block_items=self.block_items or self.form.block_items,
                    is_due=every(self.commit_seconds),
                )  # fmt: skip
            except PackingStopped:
                _date(folder / LIST, before)  # not every stale block is mended
                self._set_aside_so_far(unreadable, n_read)
                raise
            self._checked = list(pack.blocks)
        if pack.n <= n:  # every block was compared: nothing erased before then is left
            _date(folder / LIST, began)
        set_aside(self.factory, self.settings, self.project.id, unreadable, n_read)

    def _database_time(self) -> float:
        with transaction(self.factory) as session:
            return session.scalars(select(func.now())).one().timestamp()

    def _set_aside_so_far(self, unreadable: Sequence[Unreadable], n_read: int) -> None:
        """Set unreadable items aside; where most are unreadable, the next packing decides.

        It reads the blocks again that hold gaps of items which are not set aside.
        """
        try:
            set_aside(self.factory, self.settings, self.project.id, unreadable, n_read)
        except ArtifactMissing:
            return

    def _stale_blocks(self, pack: Pack, n: int) -> set[int]:
        """Return the blocks of the first `n` items that are of other items, damaged, or zeros.

        Zeros stay while their item is set aside; once it is taken back it is read again.
        """
        n_blocks = sum(pack.first(block) < n for block in range(len(pack.blocks)))
        n_checked = _n_equal(self._checked, pack.blocks[:n_blocks])
        unchecked = range(n_checked, n_blocks)
        starts = range(n_checked, n_blocks, BLOCKS_A_QUERY)
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            compared = threads.map(
                lambda start: self._compare(pack, range(start, n_blocks)[:BLOCKS_A_QUERY]), starts
            )
            stale = set(pack.damaged(unchecked))
            for changed, marks in compared:
                stale |= changed
                pack.mark(marks)
        gaps = {gap: block for block in range(n_blocks) for gap in pack.blocks[block].gaps}
        if gaps:
            aside = set(set_aside_rows(self.factory, self.project.id, self.split))
            stale |= {block for gap, block in gaps.items() if gap not in aside}
        return stale

    def _compare(self, pack: Pack, numbers: Sequence[int]) -> tuple[set[int], dict[int, str]]:
        """Return (blocks of other items than the database has, marks of the others).

        Contents are compared only where the rows' mark is another than the block's.
        """
        if self.should_stop():
            raise PackingStopped
        spans = {block: (pack.first(block), pack.blocks[block].n) for block in numbers}
        of_split = self.project.id, self.split
        with transaction(self.factory) as session:
            found = item_queries.row_marks(session, *of_split, list(spans.values()))
            marks = {
                block: mark
                for block, mark in zip(spans, found, strict=True)
                if mark != pack.blocks[block].mark
            }
            if not marks:
                return set(), {}
            written = [spans[block] for block in marks]
            digests = item_queries.content_digests(session, *of_split, written)
        changed = {
            block
            for block, digest in zip(marks, digests, strict=True)
            if digest != pack.blocks[block].items
        }
        return changed, {block: mark for block, mark in marks.items() if block not in changed}


def _date(path: Path, at: float) -> None:
    if path.exists():  # of no items there is none
        os.utime(path, (at, at))


def _modified(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0


def _n_equal(known: Sequence[Block], blocks: Sequence[Block]) -> int:
    """Return how many of the first blocks are the known ones."""
    for k, (one, other) in enumerate(zip(known, blocks, strict=False)):
        if one != other:
            return k
    return min(len(known), len(blocks))


def every(seconds: float) -> Callable[[], bool]:
    """Return a function that is true once in so many seconds."""
    last = time.monotonic()

    def is_due() -> bool:
        nonlocal last
        if time.monotonic() - last < seconds:
            return False
        last = time.monotonic()
        return True

    return is_due


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file during the block; wait for whoever holds it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
