"""Imports that the service does by itself: files sent or named."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from svp_client import paths
from svp_client.calls import Call, Lines, as_json, get, send
from svp_client.methods import entries, result
from svp_client.types import Import, RefusedLine


class Imports:
    """Methods of imports; each is a job, whose counts grow until it has ended."""

    @result
    def import_files(
        self,
        project: int,
        files: Iterable[tuple[str, bytes]],
        options: Mapping[str, Any] | None = None,
    ) -> Call[list[Import]]:
        """Send files (CSV, JSON, Parquet, archives, other tools' exports); return an import each.

        Args:
            project: its id.
            files: name and bytes of each.
            options: where wanted: `format`, `columns`, `encoding`, `delimiter` and `split`.
        """
        body = {
            "files": [("files", file) for file in files],
            "data": {"options": json.dumps(dict(options or {}))},
        }
        return Call("POST", paths.imports(project, "/upload"), as_json, body=body)

    @result
    def import_uris(
        self, project: int, uris: Iterable[str], options: Mapping[str, Any] | None = None
    ) -> Call[list[Import]]:
        """Let the service import files or folders from where its operator allows; return them."""
        body = {"uris": list(uris), **(options or {})}
        return send("POST", paths.imports(project), as_json, body)

    @result
    def imports(self, project: int) -> Call[list[Import]]:
        """Return every import that the service did or does, oldest first."""
        return get(paths.imports(project), as_json)

    @result
    def file_import(self, project: int, number: int) -> Call[Import]:
        """Return one import with its counts so far."""
        return get(paths.imports(project, f"/{number}"), as_json)

    @result
    def cancel_import(self, project: int, number: int) -> Call[Import]:
        """Stop an import; the items that it has stored stay."""
        return send("POST", paths.imports(project, f"/{number}/cancel"), as_json)

    @entries
    def import_errors(self, project: int, number: int) -> Lines[RefusedLine]:
        """Yield the lines that became no items, with the reasons."""
        return Lines(get(paths.imports(project, f"/{number}/errors"), as_json))
