"""A report's tables and pictures, written as one self-contained page, Markdown, PNG and CSV."""

import base64
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure
from rich.table import Table as TerminalTable
from rich.text import Text

DOTS_PER_INCH = 120


class Bold(str):
    """Text of a table in bold."""

    __slots__ = ()


@dataclass(frozen=True)
class Table:
    """A table as it is shown; numbers for other programs stand in Document.records."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def for_terminal(self) -> TerminalTable:
        """Return the table as rich prints it."""
        table = TerminalTable(title=self.title)
        for name in self.header:
            table.add_column(name)
        for row in self.rows:
            table.add_row(*(Text(cell, "bold" if isinstance(cell, Bold) else "") for cell in row))
        return table


@dataclass(frozen=True)
class Picture:
    """A picture; `name` is its file's, without the ending."""

    name: str
    title: str
    figure: Figure
    note: str = ""

    def png(self) -> bytes:
        """Return the picture as PNG."""
        buffer = BytesIO()
        # No date and version inside: the same lines give the same file.
        self.figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
        return buffer.getvalue()


@dataclass(frozen=True)
class Document:
    """The content of a report.

    Attributes:
        facts: name -> value, what was run and where.
        gaps: sentences on what is missing.
        main: what the paper shows of such an experiment.
        details: what more there is to know.
        short: the table that a terminal shows.
        records: file name without ending -> rows of numbers, errors as shares in 0..1.
    """

    title: str
    facts: Mapping[str, str]
    gaps: Sequence[str]
    main: Sequence[Table | Picture]
    details: Sequence[Table | Picture]
    short: Table
    records: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    @property
    def blocks(self) -> list[Table | Picture]:
        """All tables and pictures in order."""
        return [*self.main, *self.details]

    def write(self, out: Path) -> Path:
        """Write report.html, report.md, each picture and each CSV; return the page's path."""
        out.mkdir(parents=True, exist_ok=True)
        pictures = {b.name: b.png() for b in self.blocks if isinstance(b, Picture)}
        for name, png in pictures.items():
            (out / f"{name}.png").write_bytes(png)
        for name, rows in self.records.items():
            _write_csv(out / f"{name}.csv", rows)
        environment = Environment(
            loader=PackageLoader("workers.reports", ""),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
        )
        environment.tests |= {
            "bold": lambda value: isinstance(value, Bold),
            "table": lambda block: isinstance(block, Table),
        }
        encoded = {name: base64.b64encode(png).decode() for name, png in pictures.items()}
        path = out / "report.html"
        page = environment.get_template("report.html.j2").render(document=self, pictures=encoded)
        path.write_text(page + "\n", encoding="utf-8")
        plain = environment.overlay(autoescape=False)
        text = plain.get_template("report.md.j2").render(document=self)
        (out / "report.md").write_text(text.rstrip() + "\n", encoding="utf-8")
        return path


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    header = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
