"""Writes the reference pages from the code when the documentation is built: a hook of mkdocs."""

import inspect
import re
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
from workers.simulation.active_learning.config import (
    ActiveLearningConfig,
    ArmConfig,
    BudgetConfig,
)
from workers.simulation.config import (
    Config,
    DataConfig,
    ModelConfig,
    OracleConfig,
    PaperConfig,
    TrapsConfig,
)
from workers.simulation.core_sets.config import CoreSetArm, CoreSetConfig
from workers.simulation.model_studies.config import ModelStudyConfig

TABLES: tuple[tuple[str, type[Config]], ...] = (
    ("kind = active_learning", ActiveLearningConfig),
    ("kind = core_set", CoreSetConfig),
    ("kind = model_study", ModelStudyConfig),
    ("[data]", DataConfig),
    ("[models.NAME]", ModelConfig),
    ("[budgets], of active learning", BudgetConfig),
    ("[arms.NAME], of active learning", ArmConfig),
    ("[arms.NAME], of core-sets", CoreSetArm),
    ("[oracle], of active learning", OracleConfig),
    ("[paper]", PaperConfig),
    ("[traps]", TrapsConfig),
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {
        "reference/settings.md": settings_page(),
        "reference/errors.md": errors_page(),
        "reference/commands.md": commands_page(),
        "reference/routes.md": routes_page(),
        "reference/experiments.md": experiments_page(),
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


def experiments_page() -> str:
    """Return every key of an experiment's file, table by table, from the classes that check it."""
    parts = []
    for title, table in TABLES:
        meanings = _meanings(table)
        rows = [
            (f"`{name}`", "needed" if field.is_required() else _default(field.get_default()), text)
            for name, field in table.model_fields.items()
            for text in [meanings.get(name, "")]
            if name != "name" or table is DataConfig
        ]
        head = ("key", "default", "meaning")
        parts += ["", f"## {title}", "", _first_line(table), "", _table(head, rows)]
    lead = (
        "Any experiment takes the keys of its kind and these tables. An unknown key is an error. "
        "`svp simulate NAME --set TABLE.KEY=VALUE` changes one for a run."
    )
    return _page("Keys of experiments", lead, "\n".join(parts))


def _meanings(table: type[Config]) -> dict[str, str]:
    """Return what the docstrings of a class and its bases say of its attributes."""
    found: dict[str, str] = {}
    for kind in reversed(table.__mro__):
        section = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
        for entry in re.split(r"\n(?=    \S)", f"\n{section}"):
            name, colon, meaning = entry.strip().partition(": ")
            if colon:
                found |= dict.fromkeys(name.split(", "), meaning)
    return found


def _first_line(table: type[Config]) -> str:
    return inspect.cleandoc(table.__doc__ or "").partition("\n\n")[0]


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
    if (
        value is None
        or value in ((), "")
        or isinstance(value, Config)
        or repr(value) == "PydanticUndefined"
    ):
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
