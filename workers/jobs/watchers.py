"""Parts of a worker that look at rows at every wake-up and every second."""

import threading
from abc import abstractmethod
from typing import ClassVar

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings

POLL_SECONDS = 1.0


class Watcher(threading.Thread):
    """Looks until `stopped`; a look that fails is told in the log, and the next one tries again.

    Attributes:
        part: its name, as the log and the thread have it.
    """

    part: ClassVar[str]

    def __init__(
        self,
        factory: sessionmaker[Session],
        settings: Settings,
        woken: threading.Event,
        stopped: threading.Event,
    ) -> None:
        super().__init__(name=self.part, daemon=True)
        self._factory = factory
        self._settings = settings
        self._woken = woken
        self._stopped = stopped
        self._log = structlog.get_logger()
        self.prepare()

    @abstractmethod
    def prepare(self) -> None:
        """Make what the part keeps while it runs."""

    def run(self) -> None:
        """Look until `stopped`; then end what is under way."""
        while not self._stopped.is_set():
            self._woken.wait(POLL_SECONDS)
            self._woken.clear()
            try:
                self.look()
            except (SQLAlchemyError, OSError) as error:
                self._log.warning(f"{self.part}.look_failed", reason=str(error).strip())
                self._stopped.wait(POLL_SECONDS)
        self.end()

    @abstractmethod
    def look(self) -> None:
        """Do what the rows ask for."""

    @abstractmethod
    def end(self) -> None:
        """End what is under way."""
