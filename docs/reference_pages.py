"""Writes the reference pages from the code when the documentation is built: a hook of mkdocs."""

import inspect
from collections.abc import Iterator
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pydantic import SecretStr

from app.api.errors import HTTP_STATUS
from app.config import Settings
from app.domain.errors import DomainError
from app.main import create_app, describe
from workers.cli.main import app as command_line


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {
        "reference/settings.md": settings_page(),
        "reference/errors.md": errors_page(),
        "reference/commands.md": commands_page(),
        "reference/routes.md": routes_page(),
    }
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def settings_page() -> str:
    """Return a table of all settings, from the settings class."""
    rows = [
        (f"`SVP_{name.upper()}`", _default(field.get_default()), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    return _page(
        "Settings",
        "Settings of a machine are environment variables. They are read once, when a process "
        "starts; an unknown `SVP_*` variable or a wrong value is refused with one sentence.",
        _table(("variable", "default", "meaning"), rows),
    )


def errors_page() -> str:
    """Return every error of the domain with its code, status and meaning."""
    rows = [
        (f"`{kind.code}`", str(HTTP_STATUS.get(kind, "")), inspect.getdoc(kind) or "")
        for kind in sorted(_kinds(DomainError), key=lambda kind: kind.code)
        if kind.code != DomainError.code
    ]
    return _page(
        "Errors",
        "Every error is `application/problem+json` with a stable `code`, a `detail` that says what "
        "to do, and the `request_id` to report. Codes of refused lines and labels are in "
        "[Refusals](refusals.md).",
        _table(("code", "status", "meaning"), [(c, s, _one_line(text)) for c, s, text in rows]),
    )


def commands_page() -> str:
    """Return the help of every command."""
    group: Any = typer.main.get_command(command_line)
    context = typer.Context(group, info_name="svp")
    parts = ["# Commands", "", "`svp --help` and `svp COMMAND --help` print the same."]
    for name, command in _commands(group, context, "svp"):
        parts += ["", f"## {name}", "", inspect.cleandoc(command.help or "")]
        options = [
            (f"`{'`, `'.join(option.opts) or option.name}`", _one_line(option.help or ""))
            for option in command.params
            if getattr(option, "help", None)
        ]
        if options:
            parts += ["", _table(("option", "meaning"), options)]
    return "\n".join(parts) + "\n"


def routes_page() -> str:
    """Return every route of the API with its summary, by noun."""
    url = SecretStr("postgresql://localhost/none")  # nothing connects while the schema is made
    schema = describe(create_app(Settings(database_url=url)))
    by_tag: dict[str, list[tuple[str, str, str]]] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            row = (f"`{method.upper()}`", f"`{path}`", operation.get("summary", ""))
            by_tag.setdefault(operation["tags"][0], []).append(row)
    body = "\n".join(
        f"## {tag}\n\n{_table(('method', 'path', 'does'), rows)}\n" for tag, rows in by_tag.items()
    )
    return _page(
        "Routes",
        "`/api/v1/openapi.json` of a running service describes each route with its fields; "
        "`/api/v1/docs` shows it.",
        body,
    )


def _commands(group: Any, context: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "list_commands"):
            yield from _commands(command, context, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def _kinds(base: type[DomainError]) -> Iterator[type[DomainError]]:
    for kind in base.__subclasses__():
        if kind.__module__.startswith("app."):
            yield kind
            yield from _kinds(kind)


def _default(value: object) -> str:
    if value is None or value == () or repr(value) == "PydanticUndefined":
        return ""
    return f"`{value}`"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    lines += ["| " + " | ".join(_one_line(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _page(title: str, lead: str, body: str) -> str:
    return f"# {title}\n\n{lead}\n\n{body}\n"
