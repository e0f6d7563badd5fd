"""Projects: settings, states, features, events."""

from collections.abc import Mapping
from typing import Any, BinaryIO, Unpack

from svp_client import paths
from svp_client.calls import Call, FileBody, Pages, Series, Stream, as_json, get, send
from svp_client.methods import entries, result
from svp_client.settings import ClassChangeSettings, ProjectChanges, ProjectSettings
from svp_client.types import ClassChange, Costs, DeletedProject, Event, Features, Overview, Project


class Projects:
    """Methods of projects."""

    @result
    def create_project(self, **settings: Unpack[ProjectSettings]) -> Call[Project]:
        """Create a draft and return it; then import items and start it."""
        return send("POST", paths.PROJECTS, as_json, settings)

    @result
    def copy_project(self, project: int, name: str) -> Call[Project]:
        """Create a draft of this name with the settings of a project, and return it."""
        return send("POST", paths.project(project, "/copy"), as_json, {"name": name})

    @entries
    def projects(self, *, archived: bool = False) -> Pages[Project]:
        """Yield the projects that the token reaches, by id; those that are archived or others."""
        parameters = {"archived": True} if archived else {}
        return Pages(get(paths.PROJECTS, as_json, **parameters), "projects")

    @result
    def find_project(self, name: str) -> Series[Project | None]:
        """Return the project of this name, or None."""
        listed: Pages[Project] = Pages(get(paths.PROJECTS, as_json), "projects")
        cursor: int | None = None
        while True:
            page: Mapping[str, Any] = yield listed.page(cursor)
            found: Project
            for found in page[listed.key]:
                if found["name"] == name:
                    return found
            cursor = page["next_cursor"]
            if cursor is None:
                return None

    @result
    def project(self, project: int) -> Call[Project]:
        """Return the project with its counts and newest round."""
        return get(paths.project(project), as_json)

    @result
    def change_project(self, project: int, **settings: Unpack[ProjectChanges]) -> Call[Project]:
        """Change settings, most of them from the next round on; return the project."""
        return send("PATCH", paths.project(project), as_json, settings, is_idempotent=True)

    @result
    def start(self, project: int) -> Call[Project]:
        """Start a draft: round 0 is selected."""
        return send("POST", paths.project(project, "/start"), as_json)

    @result
    def pause(self, project: int) -> Call[Project]:
        """Pause the project: no item is handed out, late labels are taken."""
        return send("POST", paths.project(project, "/pause"), as_json)

    @result
    def resume(self, project: int) -> Call[Project]:
        """Resume a paused project."""
        return send("POST", paths.project(project, "/resume"), as_json)

    @result
    def finish(self, project: int) -> Call[Project]:
        """End labeling and train the target on the labels so far."""
        return send("POST", paths.project(project, "/finish"), as_json)

    @result
    def reopen(self, project: int) -> Call[Project]:
        """Reopen a finished project; it is paused, and takes items and other settings."""
        return send("POST", paths.project(project, "/reopen"), as_json)

    @result
    def archive(self, project: int) -> Call[Project]:
        """Archive a project at rest: it leaves the list and can only be read."""
        return send("POST", paths.project(project, "/archive"), as_json)

    @result
    def restore(self, project: int) -> Call[Project]:
        """Restore an archived project as it was."""
        return send("POST", paths.project(project, "/restore"), as_json, is_idempotent=True)

    @result
    def cancel(self, project: int) -> Call[Project]:
        """Cancel the project for good; its labels can still be exported."""
        return send("POST", paths.project(project, "/cancel"), as_json)

    @result
    def change_classes(
        self, project: int, *, dry_run: bool = False, **change: Unpack[ClassChangeSettings]
    ) -> Call[ClassChange]:
        """Change the classes, or only say what that would do.

        Args:
            project: its id.
            dry_run: whether to change nothing.
            **change: `kind` (add, rename, describe, reorder, merge, retire), and what it needs.
        """
        path = paths.project(project, "/classes")
        return send("POST", path, as_json, change, is_idempotent=dry_run, dry_run=dry_run or None)

    @result
    def delete_project(self, project: int, name: str) -> Call[DeletedProject]:
        """Delete the project with its items, labels and models for good; repeat its name."""
        return send("DELETE", paths.project(project), as_json, is_idempotent=False, name=name)

    @result
    def deleted_projects(self) -> Call[list[DeletedProject]]:
        """Return who deleted which project, newest first, and what is left of it on the disks."""
        return get(paths.DELETED_PROJECTS, as_json)

    @result
    def bring_features(
        self, project: int, npy: bytes | BinaryIO, *, split: str | None = None
    ) -> Call[Features]:
        """Store features of a split.

        Args:
            project: its id.
            npy: a NumPy file of float32 or float64 [n items, d]: its bytes, or the file opened for
                reading. Row i belongs to the item of index i.
            split: "pool", the default, or "evaluation".
        """
        path, query = paths.project(project, "/features"), {"split": split}
        if isinstance(npy, bytes):
            body = {"content": npy}
            return Call("PUT", path, as_json, query=query, body=body, is_idempotent=True)
        file, parse = FileBody.of(npy), as_json
        return Call(
            "PUT", path, parse, query=query, file=file, is_idempotent=file.start is not None
        )

    @result
    def overview(self, project: int) -> Call[Overview]:
        """Return how far the project is, what works on it, and what needs somebody."""
        return get(paths.project(project, "/overview"), as_json)

    @result
    def costs(self, project: int) -> Call[Costs]:
        """Return annotators' time, workers' seconds, and what proxy and strategy saved."""
        return get(paths.project(project, "/costs"), as_json)

    @entries
    def events(self, project: int) -> Pages[Event]:
        """Yield what happened in the project, oldest first."""
        return Pages(get(paths.project(project, "/events"), as_json), "events")

    @entries
    def watch_events(self, project: int, *, after: int | None = None) -> Stream[Event]:
        """Yield events as they happen, for as long as somebody reads them.

        A stream that ends or breaks off is opened again behind the last event.

        Args:
            project: its id.
            after: the id of the last event that is known already; None: only new ones.
        """
        return Stream(get(paths.project(project, "/events/stream"), as_json), "event", after)
