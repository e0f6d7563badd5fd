"""Removes a worker's copies of what was deleted: packs, checkpoints, exports, brought features.

Each worker looks after its own disk: nobody else reaches it.
"""

import shutil
import threading
import time
from pathlib import Path

import structlog
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import deletions
from app.db.session import transaction
from workers.jobs.label_exports import FOLDER
from workers.jobs.packing.splits import locked
from workers.jobs.packs import LIST

LOOK_SECONDS = 10.0
KINDS = ("packs", "checkpoints", FOLDER)


def remove_copies_until(
    stopped: threading.Event, factory: sessionmaker[Session], settings: Settings
) -> None:
    """Look every few seconds, until `stopped`."""
    while not stopped.wait(LOOK_SECONDS):
        try:
            remove_copies(factory, settings)
        except Exception as error:  # noqa: BLE001 - the next look tries again
            structlog.get_logger().warning("copies.removal_failed", reason=str(error).strip())


def remove_copies(factory: sessionmaker[Session], settings: Settings) -> None:
    """Remove copies of deleted projects and erased items, and features that no project uses.

    A process that still uses them keeps what it has mapped. Its job was taken from it.
    """
    cache = settings.cache_folder
    of_projects = [x for kind in KINDS for x in (cache / kind).glob("*-*-*")]
    if of_projects:
        with transaction(factory) as session:
            deleted = deletions.deleted_uids(session, [folder.name for folder in of_projects])
            erased = deletions.erased_at(session, [folder.name for folder in of_projects])
        for folder in of_projects:
            if folder.name in deleted:
                shutil.rmtree(folder, ignore_errors=True)
            elif folder.name in erased and folder.parent.name == FOLDER:
                _remove_exports_older(folder, erased[folder.name])
            elif folder.name in erased and folder.parent.name == "packs":
                _remove_older(folder, erased[folder.name])
    _remove_features(factory, cache / "features", settings.discard_after_seconds)


def _remove_older(packs: Path, than: float) -> None:
    """Remove the packs that were last compared with the items before an instant.

    They may hold what was erased then. Whoever needs them packs them anew.
    """
    for listing in packs.glob(f"*/{LIST}"):
        with locked(listing.parent / "lock"):
            if listing.exists() and listing.stat().st_mtime < than:
                for path in listing.parent.iterdir():
                    if path.name != "lock":
                        path.unlink()


def _remove_exports_older(exports: Path, than: float) -> None:
    for path in exports.iterdir():
        if path.stat().st_mtime < than:
            path.unlink()


def _remove_features(factory: sessionmaker[Session], folder: Path, unused_seconds: float) -> None:
    since = time.time() - unused_seconds
    found = [path for path in folder.glob("*.npy") if path.stat().st_mtime < since]
    if not found:
        return
    with locked(folder / "lock"):
        with transaction(factory) as session:
            used = deletions.referred_to(session, [path.stem for path in found])
        for path in found:
            if path.stem not in used:
                path.unlink(missing_ok=True)
