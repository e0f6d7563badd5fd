"""Progress bars of a run, one a unit and seed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from models.training.train import TrainProgress
from svp_client import Client
from svp_client.types import Project
from workers.simulation.results import CoreSetLine, RoundLine, StudyLine


@dataclass
class Bar:
    """The progress bar of one unit and seed."""

    progress: Progress
    task: TaskID
    newest: Callable[[int], str]

    def on_line(self, line: RoundLine | CoreSetLine | StudyLine) -> None:
        """Show a line that was written or found."""
        if isinstance(line, RoundLine):
            error = line.target_error if line.target_error is not None else line.proxy_error
            self._show(line.n_labeled, f"round {line.number}", error)
        elif isinstance(line, CoreSetLine):
            done = self.progress.tasks[self.task].completed + 1
            self._show(done, f"{line.arm} {line.fraction:.0%}", line.target_error)
        else:
            self._show(line.epoch, f"epoch {line.epoch}", line.error)

    def on_project(self, project: Project) -> None:
        """Show how far a service's project is."""
        self.progress.update(
            self.task,
            completed=project["n_labeled"],
            state=project["state"],
            accuracy=self.newest(project["id"]),
        )

    def on_training(self, progress: TrainProgress) -> None:
        """Show how far a training is."""
        self.progress.update(self.task, state=f"epoch {progress.epoch}/{progress.epochs}")

    def stop(self) -> None:
        """Show that the unit is finished."""
        self.progress.update(self.task, state="finished")
        self.progress.stop_task(self.task)

    def _show(self, completed: float, state: str, error: float | None) -> None:
        accuracy = "" if error is None else f"accuracy {1 - error:.3f}"
        self.progress.update(self.task, completed=completed, state=state, accuracy=accuracy)


@dataclass
class Bars:
    """The progress bars of a run."""

    progress: Progress
    client: Client | None
    download_task: TaskID | None = None

    @classmethod
    @contextmanager
    def shown(cls, client: Client | None, console: Console) -> Iterator["Bars"]:
        """Show bars on the console within the block."""
        columns = (
            TextColumn("{task.fields[unit]:<12}"),
            BarColumn(bar_width=20),
            TextColumn("{task.completed:>4.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[state]:<15}"),
            TextColumn("{task.fields[accuracy]:<14}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console) as progress:
            yield cls(progress, client)

    def add(self, unit: str, seed: int, total: int) -> Bar:
        """Return a new bar."""
        task = self.progress.add_task(
            unit, unit=f"{unit} {seed}", total=total, state="starting", accuracy=""
        )
        return Bar(self.progress, task, self._newest_accuracy)

    def on_download(self, done: int, total: int | None) -> None:
        """Show how far a download is, in MB."""
        if self.download_task is None:
            self.download_task = self.progress.add_task(
                "download", unit="download", state="MB", accuracy="", total=None
            )
        megabytes = None if total is None else total / 1e6
        self.progress.update(self.download_task, completed=done / 1e6, total=megabytes)

    def _newest_accuracy(self, project: int) -> str:
        models = self.client.models(project) if self.client else []
        accuracy = models[-1]["metrics"].get("accuracy") if models else None
        return "" if accuracy is None else f"accuracy {accuracy:.3f}"
