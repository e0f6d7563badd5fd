"""Writes exports of labels to files, which are stored when they are whole.

A file of lines that was interrupted is continued on the same machine; other formats begin again.
"""

import json
import os
import time
from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from sqlalchemy.orm import Session

from app.db.queries import jobs, projects
from app.db.session import transaction
from app.db.tables import LabelExport, Project, Split
from app.domain.errors import JobFenced
from app.exports.formats import OF_LINES
from app.presenters.label_files import LabelFile, Place, image_reader
from app.services.label_exports import (
    WrittenFile,
    begin_label_export,
    note_stored_file,
    publish_label_export,
    wanted_of,
)
from workers.jobs.attempt import Attempt
from workers.jobs.packs import PackingStopped

SAVE_SECONDS = 1.0
FOLDER = "exports"


def run_label_export(attempt: Attempt, gives_way: Callable[[], bool]) -> None:
    """Do the claimed export.

    Args:
        attempt: at the job.
        gives_way: says whether another job waits; then a file of lines waits, to be continued.

    Raises:
        JobFenced: the job was taken from this worker, or cancelled; the file is removed.
        PackingStopped: the attempt or `gives_way` asked for it.
    """
    is_published = False
    while not is_published:
        with transaction(attempt.factory) as session:
            export = begin_label_export(session, attempt.claimed)
            project = projects.get(session, attempt.claimed.project_id)
            live = {job.id for job in jobs.live_of_projects(session, [project.id])}
        folder = attempt.settings.cache_folder / FOLDER / str(project.uid)
        partial = PartialFile(folder / f"job-{attempt.claimed.id}", f"{project.erased_at}")
        partial.remove_others(live)
        try:
            _write(attempt, project, export, partial, gives_way)
            is_published = _publish(attempt, project, partial)
        except JobFenced:
            partial.remove()
            raise
        partial.remove()


def _write(
    attempt: Attempt,
    project: Project,
    export: LabelExport,
    partial: "PartialFile",
    gives_way: Callable[[], bool],
) -> None:
    wanted = wanted_of(export)
    continues = wanted.format in OF_LINES
    should_stop = gives_way if continues else attempt.should_stop
    begun = partial.open(continues=continues)
    read = image_reader(attempt.store, attempt.settings)
    file = LabelFile(attempt.factory, project, wanted, read, begun)
    saved_at = time.monotonic()
    with partial.path.open("r+b") as target:
        target.seek(0, os.SEEK_END)
        for block in file.blocks():
            target.write(block)
            if should_stop():
                partial.save(target, file.place)
                raise PackingStopped
            if time.monotonic() - saved_at >= SAVE_SECONDS:
                partial.save(target, file.place)
                n_done = file.place.n_read
                attempt.report({"n_done": n_done, "n": max(export.n_labels, n_done)})
                saved_at = time.monotonic()
        partial.save(target, file.place)


def _publish(attempt: Attempt, project: Project, partial: "PartialFile") -> bool:
    """Store and publish the file; False: an item was erased meanwhile, so it is written anew."""
    written = WrittenFile(
        digest=attempt.store.put_file(partial.path),
        size_bytes=partial.path.stat().st_size,
        n_labels=partial.place.n_read,
    )
    with transaction(attempt.factory) as session:  # it goes again unless a row names it soon
        note_stored_file(session, written)
    published: list[bool] = []

    def publish(session: Session) -> None:
        erased_at = project.erased_at
        published.append(
            publish_label_export(session, attempt.claimed, written, erased_at, attempt.settings)
        )

    attempt.write_fenced(publish)
    return published[-1]


class PartialFile:
    """A file that is being written, and beside it how far it is.

    What was written before the project's newest erasure (`erased`) is not continued.
    """

    def __init__(self, path: Path, erased: str) -> None:
        self.path, self._erased = path, erased
        self._notes = path.with_name(f"{path.name}.json")
        self.place = Place()

    def open(self, *, continues: bool) -> Place | None:
        """Make the file ready; return the place where it is continued, None: from the start."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        begun, size = self._found() if continues else (None, 0)
        if begun is None:
            self.path.write_bytes(b"")
            return None
        os.truncate(self.path, size)
        self.place = begun
        return begun

    def save(self, target: BinaryIO, place: Place) -> None:
        """Force what was written to the disk, and note how far it is."""
        target.flush()
        os.fsync(target.fileno())
        self.place = place
        notes = {"erased": self._erased, "size": target.tell(), **asdict(place)}
        new = self._notes.with_suffix(".new")
        new.write_text(json.dumps(notes))
        new.replace(self._notes)

    def remove(self) -> None:
        """Remove the file and its notes."""
        self.path.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)

    def remove_others(self, live: Collection[int]) -> None:
        """Remove what jobs of the project left that are no longer alive."""
        for path in self.path.parent.glob("job-*"):
            job_id = path.name.partition("-")[2].partition(".")[0]
            if not job_id.isdecimal() or int(job_id) not in live:
                path.unlink(missing_ok=True)

    def _found(self) -> tuple[Place | None, int]:
        try:
            notes = json.loads(self._notes.read_text())
            place = Place(notes["n_read"], Split(notes["split"]), notes["index"])
            is_whole = self.path.stat().st_size >= notes["size"]
        except (OSError, ValueError, KeyError):
            return None, 0
        if notes["erased"] != self._erased or not is_whole:
            return None, 0
        return place, notes["size"]
