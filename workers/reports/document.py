"""A report's tables and pictures, written as one self-contained page, Markdown, PNG and CSV."""

import base64
import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure
from rich.table import Table as TerminalTable
from rich.text import Text

DOTS_PER_INCH = 120
# What LaTeX would take as a command.
LATEX = {
    **{character: rf"\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
}


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

    @property
    def name(self) -> str:
        """The name of its files, without the ending."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")

    def for_csv(self) -> str:
        """Return the cells as they are shown, as CSV."""
        file = StringIO()
        csv.writer(file, lineterminator="\n").writerows([self.header, *self.rows])
        return file.getvalue()

    def for_latex(self) -> str:
        """Return the table as LaTeX of the package booktabs, to be included."""
        lines = [
            rf"\begin{{tabular}}{{{'l' * len(self.header)}}}",
            r"\toprule",
            _latex_row(self.header),
            r"\midrule",
            *(_latex_row(row) for row in self.rows),
            r"\bottomrule",
            r"\end{tabular}",
        ]
        return "\n".join(lines) + "\n"

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
        """Write report.html, report.md, pictures, records and tables; return the page's path.

        Tables lie in `tables`, as CSV and LaTeX.
        """
        out.mkdir(parents=True, exist_ok=True)
        pictures = {b.name: b.png() for b in self.blocks if isinstance(b, Picture)}
        for name, png in pictures.items():
            (out / f"{name}.png").write_bytes(png)
        for name, rows in self.records.items():
            _write_csv(out / f"{name}.csv", rows)
        (out / "tables").mkdir(exist_ok=True)
        for table in (block for block in self.blocks if isinstance(block, Table)):
            (out / "tables" / f"{table.name}.csv").write_text(table.for_csv(), encoding="utf-8")
            (out / "tables" / f"{table.name}.tex").write_text(table.for_latex(), encoding="utf-8")
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


def _latex_row(cells: Sequence[str]) -> str:
    written = [
        rf"\textbf{{{_latex(cell)}}}" if isinstance(cell, Bold) else _latex(cell) for cell in cells
    ]
    return " & ".join(written) + r" \\"


def _latex(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in text)


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    header = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
