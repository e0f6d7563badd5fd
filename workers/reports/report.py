"""`svp report`: the results of runs as one HTML page, Markdown, pictures and CSV."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from rich.table import Table as TerminalTable

from workers.reports.document import Document
from workers.reports.sources import read_sources
from workers.simulation.archive import opened
from workers.simulation.config import ExperimentError
from workers.simulation.kinds import kind_of
from workers.simulation.load import read_experiment


@dataclass(frozen=True)
class Report:
    """A report that was written: the page, and what it says."""

    path: Path
    document: Document

    def table(self) -> TerminalTable:
        """Return what the terminal shows: a table, and below it what is missing."""
        shown = self.document.short.for_terminal()
        shown.caption = "\n".join(self.document.gaps) or None
        return shown


def write_report(folders: Sequence[Path], out: Path, baseline: str | None = None) -> Report:
    """Write report.html, report.md, its pictures and CSV files to `out`.

    Args:
        folders: of runs that belong together: of one kind, on one data set, with one target.
        out: where the report goes.
        baseline: the arm of active learning to compare all others with.

    Raises:
        ExperimentError: a folder holds no run, the folders do not belong together, or there is no
            such arm.
    """
    document = document_of(folders, baseline)
    return Report(document.write(out), document)


def document_of(folders: Sequence[Path], baseline: str | None = None) -> Document:
    """Return the report that the first folder's kind of experiment has, unwritten.

    Raises:
        ExperimentError: as `write_report`.
    """
    with ExitStack() as stack:
        opened_folders = {path: stack.enter_context(opened(path)) for path in folders}
        kind = kind_of(read_experiment(opened_folders[folders[0]]))
        module, _, function = kind.report.partition(":")
        sources = read_sources(kind, opened_folders)
        chosen = {} if baseline is None else {"baseline": baseline}
        if chosen and kind.name != "active_learning":
            raise ExperimentError("A baseline can be chosen in reports of active learning alone.")
        document: Document = getattr(import_module(module), function)(sources, **chosen)
    return document
