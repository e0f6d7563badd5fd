"""A pack gives back what was packed, whatever stopped its building or changed its files."""

import hashlib
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workers.jobs import packs
from workers.jobs.packs import Pack, PackedBlock, Span, grow

NAMES = ("a", "b")
BLOCK = 3
Item = tuple[bytes, bytes]  # what each data file holds of it

variable = st.tuples(st.binary(max_size=5), st.binary(min_size=1, max_size=3))
fixed = st.tuples(st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=1))
items_of = {True: st.lists(fixed, max_size=14), False: st.lists(variable, max_size=14)}


class Killed(Exception):
    """The process was killed here."""


def digest(items: Sequence[Item]) -> str:
    return hashlib.sha256(repr(items).encode()).hexdigest()


def read(folder: Path, items: Sequence[Item], n: int, *, fixed_size: bool) -> Item:
    """Pack and read the first `n` items as workers.jobs.packed_pool does."""

    def make_blocks(spans: Sequence[Span]) -> Iterator[PackedBlock]:
        for first, end in spans:
            part = items[first:end]
            yield PackedBlock(digest(part), [b"".join(item[k] for item in part) for k in range(2)])

    with Pack(folder, {"of": fixed_size}, NAMES) as pack:
        n_blocks = sum(pack.first(k) < n for k in range(len(pack.blocks)))
        stale = set(pack.damaged(range(n_blocks)))
        for k, block in enumerate(pack.blocks[:n_blocks]):
            if block.items != digest(items[pack.first(k) : block.n]):
                stale.add(k)
        grow(
            pack, n, make_blocks, stale=stale, fixed_size=fixed_size, block_items=BLOCK,
            is_due=lambda: True,
        )  # fmt: skip
    ends = [sum(len(item[k]) for item in items[:n]) for k in range(2)]
    a, b = ((folder / name).read_bytes()[:end] for name, end in zip(NAMES, ends, strict=True))
    return a, b


def expected(items: Sequence[Item], n: int) -> Item:
    return b"".join(item[0] for item in items[:n]), b"".join(item[1] for item in items[:n])


class Dying:
    """A file whose process is killed when `count` says so, in the middle of a write."""

    def __init__(self, file: IO[bytes], count: Callable[[], None]) -> None:
        self._file, self._count = file, count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, data: bytes) -> int:
        try:
            self._count()
        except Killed:
            self._file.write(data[: len(data) // 2])
            raise
        return self._file.write(data)

    def truncate(self) -> int:
        self._count()
        return self._file.truncate()


@contextmanager
def killed_at(step: int) -> Iterator[None]:
    """Let the `step`-th thing that is done to a file be the last, half done."""
    steps = itertools.count()

    def count() -> None:
        if next(steps) >= step:
            raise Killed

    opened, fsync, renamed = Pack.__enter__, os.fsync, Path.replace

    def opened_dying(self: Pack) -> Pack:
        pack = opened(self)
        pack._files = [cast("Any", Dying(file, count)) for file in pack._files]  # noqa: SLF001
        return pack

    def fsync_dying(descriptor: int) -> None:
        count()
        fsync(descriptor)

    def renamed_dying(self: Path, target: Path) -> Path:
        count()
        return renamed(self, target)

    with pytest.MonkeyPatch.context() as patch, suppress(Killed):
        patch.setattr(Pack, "__enter__", opened_dying)
        patch.setattr(os, "fsync", fsync_dying)
        patch.setattr(Path, "replace", renamed_dying)
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "pack"


@st.composite
def histories(draw: st.DrawFn) -> tuple[bool, list[Item], list[int]]:
    """Return (fixed size, items, how many of them are read, time after time)."""
    fixed_size = draw(st.booleans())
    items = draw(items_of[fixed_size])
    return fixed_size, items, draw(st.lists(st.integers(0, len(items)), min_size=1, max_size=4))


class TestPack:
    @given(history=histories())
    def test_read_in_any_parts_it_is_what_was_packed(
        self, history: tuple[bool, list[Item], list[int]]
    ) -> None:
        fixed_size, items, counts = history
        with tempfile.TemporaryDirectory() as name:
            for n in counts:
                assert read(Path(name), items, n, fixed_size=fixed_size) == expected(items, n)

    @given(
        history=histories(),
        step=st.integers(0, 40),
        tail=st.binary(max_size=6),
    )
    @example(history=(False, [(b"x", b"y")] * 7, [4, 7]), step=3, tail=b"zz")
    def test_killed_at_any_write_it_goes_on_from_whole_blocks(
        self, history: tuple[bool, list[Item], list[int]], step: int, tail: bytes
    ) -> None:
        fixed_size, items, counts = history
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for n in counts:
                with killed_at(step):
                    read(folder, items, n, fixed_size=fixed_size)
                for data in NAMES:  # a disk may hold anything behind what was forced to it
                    with suppress(FileNotFoundError), (folder / data).open("r+b") as file:
                        file.seek(0, 2)
                        file.write(tail)
            assert read(folder, items, len(items), fixed_size=fixed_size) == expected(
                items, len(items)
            )

    @given(history=histories(), data=st.data())
    def test_bytes_changed_anywhere_are_found_and_packed_anew(
        self, history: tuple[bool, list[Item], list[int]], data: st.DataObject
    ) -> None:
        fixed_size, items, counts = history
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for n in counts:
                read(folder, items, n, fixed_size=fixed_size)
                path = folder / data.draw(st.sampled_from([*NAMES, packs.LIST]))
                old = path.read_bytes() if path.exists() else b""
                at = data.draw(st.integers(0, len(old)))
                new = data.draw(st.binary(max_size=4))
                kept = data.draw(st.sampled_from([old[at + len(new) :], old[at:], b""]))
                path.write_bytes(old[:at] + new + kept)
                assert read(folder, items, n, fixed_size=fixed_size) == expected(items, n)

    @given(history=histories(), data=st.data())
    def test_other_items_of_the_same_number_are_packed_anew(
        self, history: tuple[bool, list[Item], list[int]], data: st.DataObject
    ) -> None:
        fixed_size, items, _ = history
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            read(folder, items, len(items), fixed_size=fixed_size)
            kind = fixed if fixed_size else variable
            others = data.draw(st.lists(kind, min_size=len(items), max_size=len(items)))
            n = len(items)
            assert read(folder, others, n, fixed_size=fixed_size) == expected(others, n)

    def test_only_what_is_new_is_packed(self, folder: Path) -> None:
        items = [(b"abcd", b"e")] * 10
        read(folder, items, 7, fixed_size=True)
        read(folder, items, 10, fixed_size=True)
        with Pack(folder, {"of": True}, NAMES) as pack:
            assert [block.n for block in pack.blocks] == [3, 6, 7, 10]
            assert pack.damaged(range(4)) == []

    def test_one_damaged_block_of_items_of_one_size_is_mended_in_its_place(
        self, folder: Path
    ) -> None:
        items = [(bytes([k] * 4), b"e") for k in range(10)]
        read(folder, items, 10, fixed_size=True)
        data = (folder / "a").read_bytes()
        (folder / "a").write_bytes(data[:13] + b"?" + data[14:])
        with Pack(folder, {"of": True}, NAMES) as pack:
            assert pack.damaged(range(4)) == [1]
        assert read(folder, items, 10, fixed_size=True) == expected(items, 10)

    def test_a_pack_of_something_else_is_forgotten_and_whoever_maps_it_keeps_it(
        self, folder: Path
    ) -> None:
        items = [(b"abcd", b"e")] * 3
        read(folder, items, 3, fixed_size=True)
        with (folder / "a").open("rb") as mapped:
            read(folder, [(b"x", b"y")], 1, fixed_size=False)
            assert mapped.read() == b"abcd" * 3
