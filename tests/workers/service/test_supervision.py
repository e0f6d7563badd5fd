"""Parts that die: started again with pauses, given up with the reason, held back by a full disk."""

import errno
from pathlib import Path

import pytest

from workers.service.logs import KEPT_LOGS, open_log, rotate
from workers.service.supervision import MAX_DEATHS, WITHIN_SECONDS, Restarts, StackError, Supervisor


class Part:
    """A part that a test kills."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.n_starts = 0
        self.why_dead: str | None = None
        self.refuses = False

    def start(self) -> None:
        if self.refuses:
            raise TimeoutError("it does not answer")
        self.n_starts += 1
        self.why_dead = None

    def fault(self) -> str | None:
        return self.why_dead


class Scene:
    """Postgres and an API under a supervisor whose clock and disk a test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.has_room = True
        self.said: list[str] = []
        self.postgres, self.api = Part("Postgres"), Part("api")
        self.supervisor = Supervisor(
            [self.postgres, self.api], lambda: self.has_room, self.said.append, lambda: self.now
        )

    def pass_seconds(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 0.1
            self.supervisor.check()


@pytest.fixture
def scene() -> Scene:
    return Scene()


class TestSupervisor:
    def test_dead_part_is_started_again_within_a_second(self, scene: Scene) -> None:
        scene.api.why_dead = "out of memory"
        scene.pass_seconds(1)
        assert (scene.api.n_starts, scene.postgres.n_starts) == (1, 0)
        assert "out of memory" in scene.said[0]

    def test_part_that_dies_five_times_in_ten_minutes_is_given_up_with_its_reason(
        self, scene: Scene
    ) -> None:
        for _ in range(MAX_DEATHS - 1):
            scene.api.why_dead = "port in use"
            scene.pass_seconds(40)
        scene.api.why_dead = "port in use"
        with pytest.raises(StackError, match=r"api has ended 5 times.*port in use"):
            scene.pass_seconds(40)
        assert scene.api.n_starts == MAX_DEATHS - 1

    def test_deaths_far_apart_are_forgiven(self, scene: Scene) -> None:
        for _ in range(3 * MAX_DEATHS):
            scene.api.why_dead = "killed"
            scene.pass_seconds(WITHIN_SECONDS / (MAX_DEATHS - 2))
        assert scene.api.n_starts == 3 * MAX_DEATHS

    def test_api_waits_for_the_database_that_it_needs(self, scene: Scene) -> None:
        scene.postgres.refuses = True
        scene.postgres.why_dead = scene.api.why_dead = "killed"
        scene.pass_seconds(1)
        assert scene.api.n_starts == 0
        scene.postgres.refuses = False
        scene.pass_seconds(10)
        assert (scene.postgres.n_starts, scene.api.n_starts) == (1, 1)

    def test_full_disk_gives_nothing_up_and_parts_are_back_once_there_is_room(
        self, scene: Scene
    ) -> None:
        scene.has_room = False
        scene.postgres.why_dead = "PANIC: No space left on device"
        scene.pass_seconds(3600)
        assert scene.postgres.n_starts == 0
        assert len(scene.said) == 2
        scene.has_room = True
        scene.pass_seconds(1)
        assert scene.postgres.n_starts == 1

    def test_pauses_grow(self) -> None:
        restarts = Restarts()
        pauses = [restarts.pause_after_death(float(second)) for second in range(MAX_DEATHS)]
        assert pauses == [0.25, 1.0, 4.0, 16.0, None]


class TestLogs:
    def test_start_appends_and_only_the_owner_reads(self, tmp_path: Path) -> None:
        path = tmp_path / "logs" / "api.log"
        for line in (b"first\n", b"second\n"):
            with open(open_log(path), "wb") as log:  # noqa: PTH123 - a file descriptor
                log.write(line)
        assert path.read_text() == "first\nsecond\n"
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700

    def test_large_log_is_moved_while_its_writer_goes_on(self, tmp_path: Path) -> None:
        path = tmp_path / "api.log"
        with open(open_log(path), "wb", buffering=0) as log:  # noqa: PTH123 - a file descriptor
            for number in range(KEPT_LOGS + 3):
                log.write(b"%d" % number * 10)
                rotate(path, max_bytes=10)
            log.write(b"last")
            rotate(path, max_bytes=10)
        assert path.read_text() == "last"
        kept = sorted(tmp_path.glob("api.log.*"))
        assert [file.read_text()[0] for file in kept] == ["6", "5", "4", "3"]
        assert all(file.stat().st_mode & 0o077 == 0 for file in kept)

    def test_log_that_cannot_be_copied_stays_and_so_do_the_older_ones(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "api.log"
        for text in ("older", "old", "now"):
            rotate(path, max_bytes=1)
            path.write_text(text)

        def fill_the_disk(_source: Path, target: Path) -> None:
            target.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("shutil.copyfile", fill_the_disk)
        rotate(path, max_bytes=1)
        monkeypatch.undo()
        monkeypatch.setattr("workers.service.logs.has_room", lambda _folder, _n_bytes: False)
        rotate(path, max_bytes=1)
        kept = {file.name: file.read_text() for file in tmp_path.iterdir()}
        assert kept == {"api.log": "now", "api.log.1": "old", "api.log.2": "older"}
