"""Progress bars of a run, one per unit and seed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from models.training.train import TrainProgress
from svp_client import Client
from svp_client.types import Project

SAID_SECONDS = 60.0


@dataclass(frozen=True)
class Step:
    """Progress of a unit after one of its lines.

    Attributes:
        name: e.g. "round 3".
        error: 0..1; None where none was measured.
        done: how much of the unit is done; None = one more than before.
    """

    name: str
    error: float | None
    done: int | None = None


@dataclass
class Bar:
    """The progress bar of one unit and seed."""

    progress: Progress
    task: TaskID
    newest: Callable[[int], str]
    said_seconds: float
    _said_at: float = field(default_factory=time.monotonic)

    def on_step(self, step: Step) -> None:
        """Show how far the unit is."""
        done = step.done
        if done is None:
            done = int(self.progress.tasks[self.task].completed) + 1
        accuracy = "" if step.error is None else f"accuracy {1 - step.error:.3f}"
        self.progress.update(self.task, completed=done, state=step.name, accuracy=accuracy)
        self._say()

    def on_project(self, project: Project) -> None:
        """Show how far a service's project is."""
        self.progress.update(
            self.task,
            completed=project["n_labeled"],
            state=project["state"],
            accuracy=self.newest(project["id"]),
        )
        self._say()

    def on_training(self, progress: TrainProgress) -> None:
        """Show how far a training is."""
        self.progress.update(self.task, state=f"epoch {progress.epoch}/{progress.epochs}")
        self._say()

    def _say(self) -> None:
        """Print a line a minute where no bar can be drawn."""
        if (
            self.progress.console.is_terminal
            or time.monotonic() - self._said_at < self.said_seconds
        ):
            return
        self._said_at = time.monotonic()
        task = self.progress.tasks[self.task]
        words = (task.fields["unit"], f"{task.completed:.0f}/{task.total:.0f}")
        more = (task.fields["state"], task.fields["accuracy"])
        self.progress.console.print(" ".join(word for word in (*words, *more) if word))

    def stop(self) -> None:
        """Show that the unit is finished."""
        self.progress.update(self.task, state="finished")
        self.progress.stop_task(self.task)


@dataclass
class Bars:
    """The progress bars of a run."""

    progress: Progress
    client: Client | None
    said_seconds: float
    download_task: TaskID | None = None

    @classmethod
    @contextmanager
    def shown(
        cls, client: Client | None, console: Console, said_seconds: float = SAID_SECONDS
    ) -> Iterator["Bars"]:
        """Show bars on the console within the block; where none can be drawn, lines.

        Args:
            client: of the service that does the work; None: it is done here.
            console: where to.
            said_seconds: between two lines of a unit.
        """
        columns = (
            TextColumn("{task.fields[unit]:<12}"),
            BarColumn(bar_width=20),
            TextColumn("{task.completed:>4.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[state]:<15}"),
            TextColumn("{task.fields[accuracy]:<14}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console) as progress:
            yield cls(progress, client, said_seconds)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Draw no bars within the block, so that a question can be asked."""
        self.progress.stop()
        yield
        self.progress.start()

    def add(self, unit: str, seed: int, total: int) -> Bar:
        """Return a new bar."""
        task = self.progress.add_task(
            unit, unit=f"{unit} {seed}", total=total, state="starting", accuracy=""
        )
        return Bar(self.progress, task, self._newest_accuracy, self.said_seconds)

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
