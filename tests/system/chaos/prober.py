"""Asks the service every half second and remembers when it did not answer."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from tests.system.chaos.ledger import Ledger

EVERY_SECONDS = 0.5
TIMEOUT_SECONDS = 10.0
GRACE_SECONDS = 15.0
LONGEST_SECONDS = 15.0
EXPLAINING = ("kill ", "stop ", "disk ", "postgres cut")
RESOLUTION_SECONDS = 2 * EVERY_SECONDS


@dataclass(frozen=True)
class Window:
    """The time in which a fault was active, in seconds of the run."""

    kind: str
    start: float
    end: float
    detail: str = ""

    @property
    def explains_outages(self) -> bool:
        """Whether it may stop the service until its grace has ended; garbage never may."""
        return self.kind.startswith(EXPLAINING)


@dataclass
class Outage:
    """A stretch in which one question got no answer, in seconds of the run."""

    question: str
    start: float
    end: float
    reasons: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def uncovered(self, windows: list[Window]) -> float:
        """Return how many of its seconds no fault explains."""
        left, place = 0.0, self.start
        explaining = [window for window in windows if window.explains_outages]
        for window in sorted(explaining, key=lambda w: w.start):
            # What was asked before the fault may have been on its way when it struck.
            begin, end = window.start - TIMEOUT_SECONDS, window.end + GRACE_SECONDS
            if end <= place:
                continue
            if begin >= self.end:
                break
            left += max(0.0, begin - place)
            place = max(place, end)
        return left + max(0.0, self.end - place)


def unexplained(outages: list[Outage], windows: list[Window]) -> list[Outage]:
    """Return the outages of more than 15 s that outlast the faults that explain them."""
    return [
        outage
        for outage in outages
        if outage.seconds > LONGEST_SECONDS and outage.uncovered(windows) > RESOLUTION_SECONDS
    ]


class Prober:
    """One thread per API process and question: liveness, an authenticated route, next-batch."""

    def __init__(
        self,
        urls: list[str],
        token: str,
        newest_project: Callable[[], int | None],
        now: Callable[[], float],
        ledger: Ledger,
    ) -> None:
        self.outages: list[Outage] = []
        self.n_asked = 0
        self.seconds: list[float] = []
        self._token = token
        self._newest_project = newest_project
        self._now = now
        self._ledger = ledger
        self._stop = threading.Event()
        questions = {"live": self._live, "projects": self._projects, "next-batch": self._next_batch}
        self._threads = [
            threading.Thread(target=self._ask_on, args=(f"{name} {i}", url, ask), daemon=True)
            for i, url in enumerate(urls)
            for name, ask in questions.items()
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * TIMEOUT_SECONDS)

    def _ask_on(self, name: str, url: str, ask: Callable[[httpx.Client], httpx.Response]) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        since: float | None = None
        reasons: list[str] = []
        with httpx.Client(
            base_url=f"{url}/api/v1", headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False
        ) as http:
            while not self._stop.is_set():
                asked_at, begun = self._now(), time.monotonic()
                reason = self._fails(name, http, ask)
                self.n_asked += 1
                if reason is None:
                    self.seconds.append(time.monotonic() - begun)
                    if since is not None:
                        kinds = list(dict.fromkeys(reasons))
                        self.outages.append(Outage(name, since, self._now(), kinds))
                    since, reasons = None, []
                else:
                    since = asked_at if since is None else since
                    reasons.append(reason)
                self._stop.wait(max(0.0, EVERY_SECONDS - (time.monotonic() - begun)))
        if since is not None:
            self.outages.append(Outage(name, since, self._now(), list(dict.fromkeys(reasons))))

    def _fails(
        self, name: str, http: httpx.Client, ask: Callable[[httpx.Client], httpx.Response]
    ) -> str | None:
        """Return why the question got no good answer, None if it did."""
        try:
            answer = ask(http)
        except httpx.TransportError as error:
            return type(error).__name__
        if answer.status_code < 500:
            return None
        self._ledger.note_server_error(name, answer.status_code, answer.text)
        return str(answer.status_code)

    def _live(self, http: httpx.Client) -> httpx.Response:
        return http.get("/health/live")

    def _projects(self, http: httpx.Client) -> httpx.Response:
        return http.get("/projects", params={"limit": 1})

    def _next_batch(self, http: httpx.Client) -> httpx.Response:
        project = self._newest_project()
        if project is None:
            return self._live(http)
        answer = http.get(f"/projects/{project}/next-batch", params={"size": 1})
        if answer.is_success and answer.json()["items"]:  # nobody shall wait for the prober's items
            http.post(f"/projects/{project}/leases/release", json={})
        return answer
