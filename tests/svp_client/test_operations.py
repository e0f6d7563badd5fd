"""The client has a method for every route that users need, and names what the API names."""

import inspect
import typing
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app.config import Settings
from app.main import create_app, describe
from app.schemas.core_sets import CoreSetItemOut
from app.schemas.imports import RefusedLineOut
from app.schemas.labels import ExportedLabelOut
from app.schemas.pool_predictions import PredictedItemOut
from svp_client import Client, settings, types
from svp_client.calls import Call, Lines, Pages, Stream
from svp_client.connection import PREFIX

OPENAPI = describe(
    create_app(Settings(database_url=SecretStr("postgresql+psycopg://nobody@nowhere/none")))
)
WITHOUT_METHOD = {
    ("GET", "/health/live"): "for monitors; answers without a token",
    ("GET", "/health/ready"): "for monitors; answers without a token",
    ("POST", "/label-studio/{connection}/webhook"): "Label Studio calls it",
}
ARGUMENTS: dict[str, Any] = {
    "annotator": "ada",
    "annotators": ["ada"],
    "name": "ada",
    "labels": [{"item_id": 1, "class": "a"}],
    "item_ids": [1],
    "external_ids": ["a"],
    "classes": {"a": None},
    "comment": "c",
    "reason": "other",
    "npy": b"",
    "image": b"",
    "uris": ["a.csv"],
    "contents": ["a", b"png"],
    "token": "0123456789abcdef",
    "url": "https://example.org/events",
    "files": [("a.png", b"png")],
    "split": "pool",
}


def filters_of(noun: str, others: set[str]) -> dict[str, Any]:
    """Return the filters of a list as a schema; two of their names are Python's own."""
    parameters = OPENAPI["paths"][f"{PREFIX}/projects/{{project}}/{noun}"]["get"]["parameters"]
    names = {p["name"] for p in parameters if p["in"] == "query"} - others
    return {"properties": {f"{n}_" if n in ("class", "round") else n: {} for n in names}}


SCHEMAS = {
    "LabelFilters": filters_of("labels", {"format", "annotators", "raw"}),
    "ItemFilters": filters_of("items", {"split", "metadata", "external_id", "cursor", "limit"}),
    **OPENAPI["components"]["schemas"],
    **{
        model.__name__: model.model_json_schema(mode="serialization")
        for model in (ExportedLabelOut, CoreSetItemOut, PredictedItemOut, RefusedLineOut)
    },
}
NAMED_OTHERWISE = {
    "CoreSet": "CoreSetOut",
    "CoreSetItem": "CoreSetItemOut",
    "CoreSetScores": "CoreSetScoresOut",
    "CoreSetSettings": "CoreSetIn",
    "AuditSettings": "AuditIn",
    "Candidate": "CandidateIn",
    "ProxyAdviceSettings": "ProxyAdviceIn",
    "ProjectSettings": "ProjectCreate",
    "ProjectChanges": "ProjectChange",
    "ClassChangeSettings": "ClassChangeIn",
    "AnnotationChanges": "AnnotationChange",
    "LabelStudioConnection": "LabelStudioOut",
}


def method_names() -> list[str]:
    """Return the names of the methods that are described by routes."""
    own = {"perform", "iterate", "request", "token", "with_token", "close"}
    return sorted(n for n in dir(Client) if not n.startswith("_") and n not in own)


def calls_of(name: str) -> Iterator[Call[Any]]:
    """Yield the first call that a method sends."""
    describe_call = getattr(Client, name)
    given: dict[str, Any] = {}
    for parameter in list(inspect.signature(describe_call).parameters.values())[1:]:
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        if parameter.name in ARGUMENTS:
            given[parameter.name] = ARGUMENTS[parameter.name]
        elif parameter.annotation is int:
            given[parameter.name] = 7
        elif parameter.default is parameter.empty:
            given[parameter.name] = [{"external_id": "a", "text": "t"}]
    described = describe_call(None, **given)
    if isinstance(described, Pages):
        yield described.page(None)
    elif isinstance(described, Lines | Stream):
        yield described.call
    elif isinstance(described, Call):
        yield described
    else:
        yield next(described)


def operation_of(call: Call[Any]) -> tuple[str, str] | None:
    """Return (method, path template) of the operation that a call is for."""
    parts = call.path.split("/")
    found = []
    for template, methods in OPENAPI["paths"].items():
        wanted = template.removeprefix(PREFIX).split("/")
        fits = len(wanted) == len(parts) and all(
            w == p or w.startswith("{") for w, p in zip(wanted, parts, strict=True)
        )
        if fits and call.method.lower() in methods:
            found.append((sum(w.startswith("{") for w in wanted), template.removeprefix(PREFIX)))
    return (call.method, min(found)[1]) if found else None


def operations() -> set[tuple[str, str]]:
    """Return (method, path template) of all operations."""
    return {
        (method.upper(), template.removeprefix(PREFIX))
        for template, methods in OPENAPI["paths"].items()
        for method in methods
    }


def test_every_operation_has_a_method_or_a_reason_for_none() -> None:
    covered = {operation_of(call) for name in method_names() for call in calls_of(name)}
    missing = operations() - covered - set(WITHOUT_METHOD)
    assert not missing, "Add a method to svp_client/routes, or a reason to WITHOUT_METHOD."
    assert not covered & set(WITHOUT_METHOD)


@pytest.mark.parametrize("name", method_names())
def test_a_method_sends_what_its_operation_takes(name: str) -> None:
    for call in calls_of(name):
        found = operation_of(call)
        assert found is not None, f"{name}: {call.method} {call.path} is no operation"
        operation = OPENAPI["paths"][PREFIX + found[1]][found[0].lower()]
        parameters = operation.get("parameters", [])
        request = httpx.Request(url="http://service", **call.options())
        assert set(request.url.params) <= {p["name"] for p in parameters if p["in"] == "query"}
        kind = request.headers.get("content-type", "application/octet-stream").partition(";")[0]
        if "requestBody" in operation:
            assert kind in operation["requestBody"]["content"]
        else:
            assert not call.body


def typed_dicts(module: Any) -> list[type]:
    """Return the typed dictionaries that a module declares."""
    found: Iterable[Any] = vars(module).values()
    return [t for t in found if typing.is_typeddict(t) and t.__module__ == module.__name__]


@pytest.mark.parametrize(
    "declared", typed_dicts(types) + typed_dicts(settings), ids=lambda t: t.__name__
)
def test_a_dictionary_has_the_keys_of_its_schema(declared: type) -> None:
    name = NAMED_OTHERWISE.get(declared.__name__, declared.__name__)
    schema = SCHEMAS.get(name) or SCHEMAS.get(f"{name}Out") or _nested(name)
    keys = set(typing.get_type_hints(declared))
    assert keys == set(schema["properties"]), f"Bring svp_client's {declared.__name__} up to date."
    if declared in typed_dicts(settings):
        required: frozenset[str] = declared.__required_keys__  # type: ignore[attr-defined]
        assert required == set(schema.get("required", []))


def _nested(name: str) -> Any:
    """Return a schema that stands within another one."""
    return next(s["$defs"][name] for s in SCHEMAS.values() if name in s.get("$defs", {}))
