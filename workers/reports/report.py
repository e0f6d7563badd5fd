"""`svp report`: what runs have given, by their kind, as one page, Markdown, pictures and CSV."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table as TerminalTable

from workers.reports.active_learning.report import active_learning_document
from workers.reports.core_sets.report import core_set_document
from workers.reports.document import Document
from workers.reports.model_studies.report import study_document
from workers.reports.sources import read_sources
from workers.simulation.kinds import ActiveLearningConfig, CoreSetConfig, ModelStudyConfig
from workers.simulation.load import read_experiment
from workers.simulation.results import CoreSetLine, RoundLine, StudyLine


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


def write_report(folders: Sequence[Path], out: Path) -> Report:
    """Write report.html, report.md, its pictures and CSV files to `out`.

    Args:
        folders: of runs that belong together: of one kind, on one data set, with one target.
        out: where the report goes.

    Raises:
        ExperimentError: a folder holds no run, or the folders do not belong together.
    """
    document = document_of(folders)
    return Report(document.write(out), document)


def document_of(folders: Sequence[Path]) -> Document:
    """Return the report that the first folder's kind of experiment has, unwritten.

    Raises:
        ExperimentError: as `write_report`.
    """
    first = read_experiment(folders[0])
    if isinstance(first, CoreSetConfig):
        return core_set_document(read_sources(CoreSetConfig, CoreSetLine, folders))
    if isinstance(first, ModelStudyConfig):
        return study_document(read_sources(ModelStudyConfig, StudyLine, folders))
    return active_learning_document(read_sources(ActiveLearningConfig, RoundLine, folders))
