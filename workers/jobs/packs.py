"""Packs: decoded copies of items on this machine's disk, in blocks with checksums.

A pack is a folder of append-only data files and of `pack.json`, which says block by block what they
hold. Data are appended and forced to the disk first; `pack.json` takes the place of the old one
last. So a crash at any point leaves the blocks that were there before, and nothing is read that is
not the bytes that were written.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO

import orjson

from app.storage.durable import replaced

FORMAT = 1
LIST = "pack.json"
CHECK_THREADS = 4
CHUNK_BYTES = 1 << 22
Span = tuple[int, int]  # first item of a block, and the one behind its last


class PackingStopped(Exception):
    """Packing was asked to stop; the blocks so far are committed."""


@dataclass(frozen=True)
class PackedBlock:
    """The bytes of a block, made of its items' contents.

    Attributes:
        items: hash of the items' ids and contents, as their source says them.
        parts: bytes for each data file.
        gaps: positions of items that could not be read, and are zeros.
        mark: of their source before it was read; while it is the same, so are the items.
        checksums: of the parts; made where the block is made, which may be another process.
    """

    items: str
    parts: Sequence[bytes]
    gaps: tuple[int, ...] = ()
    mark: str = ""
    checksums: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Make the checksums."""
        object.__setattr__(self, "checksums", tuple(_checksum(part) for part in self.parts))


@dataclass(frozen=True)
class Block:
    """Some consecutive items of a pack.

    Attributes:
        n: items up to the end of this block.
        items: hash of the items' ids and contents, as their source says them.
        ends: bytes of each data file up to the end of this block.
        checksums: of this block's bytes in each data file.
        gaps: positions of items that could not be read, and are zeros.
        mark: the source's, when the items were last known to be these; "" = never.
    """

    n: int
    items: str
    ends: tuple[int, ...]
    checksums: tuple[str, ...]
    gaps: tuple[int, ...] = ()
    mark: str = ""


class Pack:
    """The blocks of one folder; open it with `with`, under a lock of its own.

    Args:
        folder: its folder, made if need be.
        about: what the pack is of; what was packed of something else is forgotten.
        names: of its data files.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], names: Sequence[str]) -> None:
        self._folder, self._about, self._names = folder, {"format": FORMAT, **about}, tuple(names)
        self._files: list[BinaryIO] = []
        self._is_changed = False
        self.blocks = _read_blocks(folder / LIST, self._about, len(self._names))

    def __enter__(self) -> "Pack":
        """Open the data files."""
        for name in self._names:
            path = self.path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if not self.blocks:  # another process may still map the file that is to be forgotten
                path.unlink(missing_ok=True)
            self._files.append(path.open("r+b" if path.exists() else "w+b"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the data files; uncommitted blocks are lost."""
        for file in self._files:
            file.close()

    @property
    def n(self) -> int:
        """Number of packed items."""
        return self.blocks[-1].n if self.blocks else 0

    def path(self, name: str) -> Path:
        """Return where a data file lies."""
        return self._folder / name

    def spans(self, block: int) -> list[tuple[int, int]]:
        """Return the first byte and the end of a block in each data file."""
        starts = self.blocks[block - 1].ends if block else (0,) * len(self._names)
        return list(zip(starts, self.blocks[block].ends, strict=True))

    def first(self, block: int) -> int:
        """Return the position of a block's first item."""
        return self.blocks[block - 1].n if block else 0

    def damaged(self, numbers: Sequence[int]) -> list[int]:
        """Return which of these blocks do not hold the bytes that were written.

        All bytes are read, at 1 to 2 GB a second and core.
        """
        with ThreadPoolExecutor(CHECK_THREADS) as threads:
            is_whole = threads.map(self._is_whole, numbers)
            return [block for block, whole in zip(numbers, is_whole, strict=True) if not whole]

    def cut(self, n_blocks: int) -> None:
        """Forget the blocks from this one on; whoever maps them keeps them."""
        if n_blocks >= len(self.blocks):
            return
        ends = self.blocks[n_blocks - 1].ends if n_blocks else (0,) * len(self._names)
        for k, (name, end) in enumerate(zip(self._names, ends, strict=True)):
            self._files[k].seek(0)
            with replaced(self.path(name)) as kept:
                _copy(self._files[k], kept, end)
            self._files[k].close()
            self._files[k] = self.path(name).open("r+b")
        self.blocks, self._is_changed = self.blocks[:n_blocks], True

    def append(self, n: int, made: PackedBlock) -> None:
        """Add a block of the next `n` items; not yet committed."""
        starts = self.blocks[-1].ends if self.blocks else (0,) * len(self._names)
        for file, start, part in zip(self._files, starts, made.parts, strict=True):
            file.seek(start)
            file.truncate()  # a build that was interrupted left more
            file.write(part)
        ends = tuple(start + len(part) for start, part in zip(starts, made.parts, strict=True))
        n += self.n
        self.blocks.append(Block(n, made.items, ends, made.checksums, made.gaps, made.mark))
        self._is_changed = True

    def replace(self, block: int, made: PackedBlock) -> None:
        """Write a block anew in its place, with parts as long as they were; not yet committed."""
        old, spans = self.blocks[block], self.spans(block)
        if [len(part) for part in made.parts] != [end - start for start, end in spans]:
            raise ValueError("A block is replaced by one of the same size.")
        for file, (start, _), part in zip(self._files, spans, made.parts, strict=True):
            file.seek(start)
            file.write(part)
        self.blocks[block] = Block(
            old.n, made.items, old.ends, made.checksums, made.gaps, made.mark
        )
        self._is_changed = True

    def mark(self, marks: Mapping[int, str]) -> None:
        """Note the marks of blocks whose items were found to be right; not yet committed."""
        for block, mark in marks.items():
            self.blocks[block] = replace(self.blocks[block], mark=mark)
            self._is_changed = True

    def commit(self) -> None:
        """Force the data to the disk, then write the list of blocks."""
        if not self._is_changed:
            return
        for file in self._files:
            file.flush()
            os.fsync(file.fileno())
        rows = [[b.n, b.items, b.ends, b.checksums, b.gaps, b.mark] for b in self.blocks]
        listing = orjson.dumps({"about": self._about, "blocks": rows})
        with replaced(self._folder / LIST) as listed:
            listed.write(orjson.dumps(_checksum(listing)) + b"\n" + listing)
        self._is_changed = False

    def _is_whole(self, block: int) -> bool:
        checksums = self.blocks[block].checksums
        return all(
            _checksum_of_file(self.path(name), start, end) == checksum
            for name, (start, end), checksum in zip(
                self._names, self.spans(block), checksums, strict=True
            )
        )


def grow(  # noqa: PLR0913 - by name: what is right, how it is packed
    pack: Pack,
    n: int,
    make_blocks: Callable[[Sequence[Span]], Iterator[PackedBlock]],
    *,
    stale: Iterable[int] = (),
    fixed_size: bool,
    block_items: int,
    is_due: Callable[[], bool] = lambda: False,
) -> None:
    """Bring a pack to at least `n` items of which every block is right, and commit it.

    Args:
        pack: opened.
        n: items.
        make_blocks: called once with all spans that are to be packed; yields a block for each, in
            their order. Where it raises PackingStopped, what is there already is committed.
        stale: blocks that are to be packed anew.
        fixed_size: whether an item always has as many bytes, so that a block may be replaced in
            its place; else all blocks behind a stale one are packed anew too.
        block_items: of a new block, at most.
        is_due: whether to commit what is there already, asked after each block.

    Raises:
        PackingStopped: `make_blocks` did.
    """
    redone = sorted(stale)
    if redone and not fixed_size:
        pack.cut(redone[0])
        redone = []
    spans = [(pack.first(block), pack.blocks[block].n) for block in redone]
    firsts = range(pack.n, n, block_items)
    spans += [(first, min(first + block_items, n)) for first in firsts]
    try:
        for k, made in enumerate(make_blocks(spans) if spans else ()):
            if k < len(redone):
                pack.replace(redone[k], made)
            else:
                pack.append(spans[k][1] - spans[k][0], made)
            if is_due():
                pack.commit()
    except PackingStopped:
        pack.commit()
        raise
    pack.commit()


def _read_blocks(path: Path, about: Mapping[str, Any], n_files: int) -> list[Block]:
    """Return the blocks that a list names; none if the list is damaged or of another pack."""
    try:
        checksum, _, listing = path.read_bytes().partition(b"\n")
        if orjson.loads(checksum) != _checksum(listing):
            return []
        found = orjson.loads(listing)
    except (OSError, orjson.JSONDecodeError):
        return []
    if found["about"] != about:
        return []
    blocks = [
        Block(n, items, tuple(ends), tuple(checksums), tuple(gaps), *mark)
        for n, items, ends, checksums, gaps, *mark in found["blocks"]  # older packs have no mark
    ]
    return blocks if all(len(block.ends) == n_files for block in blocks) else []


def _copy(source: IO[bytes], to: IO[bytes], n_bytes: int) -> None:
    while n_bytes and (chunk := source.read(min(CHUNK_BYTES, n_bytes))):
        to.write(chunk)
        n_bytes -= len(chunk)


def _checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _checksum_of_file(path: Path, start: int, end: int) -> str:
    found = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while start < end and (chunk := file.read(min(CHUNK_BYTES, end - start))):
            found.update(chunk)
            start += len(chunk)
    return found.hexdigest()[:32] if start == end else ""
