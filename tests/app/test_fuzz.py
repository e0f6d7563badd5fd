"""Thousands of odd requests over the wire: none is answered with a 5xx, none stops the service.

Seeded: the same requests in the same order. What the OpenAPI document says is half kept, half
broken: values of other types and sizes, NULs, damaged JSON, odd paths, parameters and headers.
"""

import gzip
import http.client
import json
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.session import transaction
from app.db.tables import Role
from app.main import create_app, describe
from app.services.tokens import create_token
from tests.loop import start_labeling

pytestmark = pytest.mark.slow

N_REQUESTS = 2500
ODD_TEXTS = [
    "", " ", "\x00", "a\x00b", "\ud800", "\udfff", "\u2028", "é", "😀" * 300, "a" * 100_000,
    "../..", "'; DROP TABLE items; --", "%00", "NaN", "null", "-1", "1e400", "=1+1", "\r\n",
    "\x1b[0m", "١٢",
]  # fmt: skip
TEXTS = ["a", "b", "uniform", "fasttext", "item 3", "2030-01-01"]
ODD_VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, 2**64, 10**30, 1e308, 5e-324, 0.5,
    [], {}, [[]], [None], {"": None}, [[[[[[]]]]]], ["a"] * 2000, *ODD_TEXTS,
]  # fmt: skip
ODD_BODIES = [
    b"", b"{", b"null", b"[]", b"\x00", b"\xff\xfe{}", b"\xef\xbb\xbf{}", b"[" * 50_000, b"NaN",
    b"[" + b"[]," * 100_000 + b"[]]", b'{"a":' * 3000, b'"\xed\xa0\x80"', b"1" * 100_000,
    '{"labels": []}'.encode("utf-16"), b'{"name": "\\ud800"}', b'{"name": 1e999}', b"\n" * 9000,
    b'{"external_id": "a", "text": "\\u0000"}\n', b'{"external_id": "' + b"x" * 9000 + b'"}\n',
]  # fmt: skip
ODD_PATHS = [
    "/", "//", "/api/v1", "/api/v1/", "/api/v1/projects/%00", "/api/v1/projects/٣",
    "/api/v1/docs/..",
    "/api/v1/projects/1/../2", "/%ff%fe", "/api/v1/projects/1/annotators/%00/pause", "*", "/?%00",
    "/api/v1/projects/1/annotators/%ED%A0%80/resume", "/api/v1/docs/%2e%2e%2fmain.py",
]  # fmt: skip
ODD_HEADERS = [
    ("Content-Type", "application/json; charset=utf-16"), ("Content-Type", "text/plain"),
    ("Content-Type", "multipart/form-data"), ("Content-Type", "multipart/form-data; boundary="),
    ("Content-Type", "multipart/form-data; boundary=x; charset=undefined"), ("Content-Type", ""),
    ("Content-Type", "application/x-ndjson"), ("Content-Encoding", "gzip"),
    ("Content-Encoding", "zstd"), ("Content-Encoding", "br"), ("Accept", "\x80\xff"),
    ("Authorization", "Bearer \xff"), ("Authorization", "Basic YTpi"), ("Authorization", ""),
    ("X-Request-ID", "x" * 5000), ("X-Request-ID", "\xe9"), ("If-None-Match", "*"),
    ("Origin", "null"), ("Expect", "100-continue"), ("Host", "[::"), ("Range", "bytes=0-0"),
    ("X-Forwarded-For", "\x7f"), ("Content-Length", "-1"), ("Transfer-Encoding", "identity"),
]  # fmt: skip


class Fuzz:
    """Makes requests of an OpenAPI document.

    Args:
        document: the OpenAPI document.
        known: values of path parameters that exist.
        seed: of all that is drawn.
    """

    def __init__(self, document: dict[str, Any], known: Mapping[str, Any], seed: int) -> None:
        self.schemas = document["components"]["schemas"]
        self.known = known
        self.rng = random.Random(seed)
        self.operations = [
            (method.upper(), path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ]

    def request(self) -> tuple[str, str, bytes | None, dict[str, str]]:
        """Return (method, path, body, headers)."""
        method, path, operation = self.rng.choice(self.operations)
        if self.rng.random() < 0.03:
            method = self.rng.choice(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
        parameters = operation.get("parameters", [])
        for parameter in parameters:
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", self.path_value(parameter))
        query = "&".join(self.query(p) for p in parameters if p["in"] == "query" and self.maybe())
        if self.maybe(0.05):
            query += f"&{self.text()}={self.text()}"
        path += f"?{query}" if query else ""
        if self.maybe(0.03):
            path = self.quoted(self.rng.choice(ODD_PATHS))
        body, headers = self.body(operation.get("requestBody"))
        if self.maybe(0.15):
            name, value = self.rng.choice(ODD_HEADERS)
            headers[name] = value
        return method, path, body, headers

    def maybe(self, chance: float = 0.5) -> bool:
        return self.rng.random() < chance

    def text(self) -> str:
        return self.quoted(self.rng.choice(ODD_TEXTS)[:2000])

    def quoted(self, text: str) -> str:
        """Return the text as it can stand in a request line; some of it escaped, some raw."""
        raw = text.encode("utf-8", "surrogatepass")
        return "".join(chr(b) if 33 <= b < 127 and b not in b"#" else f"%{b:02X}" for b in raw)

    def path_value(self, parameter: dict[str, Any]) -> str:
        if self.maybe(0.8) and parameter["name"] in self.known:
            return str(self.known[parameter["name"]])
        value = self.quoted(str(self.rng.choice(ODD_VALUES))[:2000])
        return value.replace("?", "%3F").replace("/", "%2F") or "0"

    def query(self, parameter: dict[str, Any]) -> str:
        value = self.value(parameter["schema"]) if self.maybe(0.6) else None
        return f"{parameter['name']}={self.text() if value is None else self.quoted(str(value))}"

    def body(self, described: dict[str, Any] | None) -> tuple[bytes | None, dict[str, str]]:
        if described is None:
            return (self.rng.choice(ODD_BODIES), {}) if self.maybe(0.05) else (None, {})
        kind, content = self.rng.choice(list(described["content"].items()))
        headers = {"Content-Type": kind}
        if self.maybe(0.2):
            body = self.rng.choice(ODD_BODIES)
        elif kind == "application/json":
            body = json.dumps(self.value(content["schema"])).encode()
        elif kind == "multipart/form-data":
            headers["Content-Type"] += "; boundary=x"
            body = self.form()
        else:
            lines = [self.value(LINE) for _ in range(self.rng.randrange(1, 6))]
            body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        if self.maybe(0.1):
            cut = self.rng.randrange(len(body) + 1)
            body = body[:cut] + self.rng.randbytes(3) + body[cut:]
        if self.maybe(0.1):
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
            body = body[: self.rng.randrange(len(body) + 1)] if self.maybe() else body + b"\x00x"
        return body, headers

    def form(self) -> bytes:
        parts = []
        for name in ("files", "files", "split", "class", "metadata", self.text()[:40]):
            value = str(self.rng.choice(ODD_VALUES))[:3000].encode("utf-8", "replace")
            file = (
                f'; filename="{self.text()[:300]}"' if name == "files" and self.maybe(0.8) else ""
            )
            head = f'--x\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
            parts.append(head.encode() + value + b"\r\n")
        return b"".join(parts) + (b"--x--\r\n" if self.maybe(0.9) else b"")

    def value(self, schema: dict[str, Any]) -> Any:
        """Return a value that the schema allows, or with a small chance at each place another."""
        if self.maybe(0.06):
            return self.rng.choice(ODD_VALUES)
        if "$ref" in schema:
            return self.value(self.schemas[schema["$ref"].rpartition("/")[2]])
        if "anyOf" in schema:
            return self.value(self.rng.choice(schema["anyOf"]))
        least = schema.get("minItems", 0)
        makers: dict[str, Callable[[], Any]] = {
            "object": lambda: self.object(schema),
            "array": lambda: [
                self.value(schema.get("items", {})) for _ in range(least + self.rng.randrange(4))
            ],
            "string": lambda: self.rng.choice(schema.get("enum", TEXTS)),
            "integer": lambda: self.rng.choice([0, 1, 2, 3, 10, schema.get("maximum", 7)]),
            "number": lambda: self.rng.choice([0.0, 0.5, 1.0, 2.0]),
            "boolean": self.maybe,
        }
        return makers.get(schema.get("type", "null"), lambda: None)()

    def object(self, schema: dict[str, Any]) -> dict[str, Any]:
        required = schema.get("required", [])
        found = {
            name: self.value(part)
            for name, part in schema.get("properties", {}).items()
            if self.maybe(0.95 if name in required else 0.4)
        }
        if self.maybe(0.05):
            found[self.rng.choice(ODD_TEXTS)] = self.rng.choice(ODD_VALUES)
        return found


LINE = {
    "type": "object",
    "required": ["external_id", "text"],
    "properties": {
        "external_id": {"type": "string"},
        "text": {"type": "string"},
        "class": {"type": "string"},
        "split": {"type": "string", "enum": ["pool", "evaluation"]},
        "image_uri": {
            "enum": ["http://[::1", "http://a]b/", "\x00", "a.png", "file:///etc/passwd"]
        },
    },
}


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None,
    headers: Mapping[str, str],
) -> tuple[int, bytes]:
    """Send one request as it is; return (status, body)."""
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection._buffer.append(f"{name}: {value}".encode("latin-1"))  # type: ignore[attr-defined]  # noqa: SLF001 - unchecked
    if body is not None and "Content-Length" not in headers:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    if answer.headers.get_content_type() == "text/event-stream":
        return answer.status, b""  # it has no end
    return answer.status, answer.read()


def is_truly_not_ready(path: str, answer: bytes) -> bool:
    """Return whether this is the readiness of a service whose only fault is that no worker runs."""
    if not path.startswith("/api/v1/health/ready"):
        return False
    return answer == b"" or list(json.loads(answer)["parts"]) == ["worker"]  # HEAD has no body


def test_no_request_is_answered_with_a_5xx(
    port: int, settings: Settings, session_factory: sessionmaker[Session]
) -> None:
    project = start_labeling(session_factory, settings, "fuzzed", total_budget=9)
    with transaction(session_factory) as session:
        token, _ = create_token(session, "root", Role.ADMIN, act_as=True, project_id=None)
    document = describe(create_app(Settings(database_url=SecretStr("postgresql://nowhere/none"))))
    fuzz = Fuzz(document, {"project": project, "item": 3, "number": 0, "job": 1}, seed=14)
    failed, statuses = [], []
    for number in range(N_REQUESTS):
        method, path, body, headers = fuzz.request()
        headers = {"Host": "x", "Authorization": f"Bearer {token}", **headers}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            status, answer = ask(connection, method, path, body, headers)
        except (http.client.HTTPException, ConnectionError):
            continue  # what is no HTTP may be cut off
        finally:
            connection.close()
        statuses.append(status)
        if status >= 500 and not is_truly_not_ready(path, answer):
            failed.append((number, method, path[:200], body and body[:300], status, answer[:300]))
    assert failed == []
    assert len(statuses) > 0.97 * N_REQUESTS
    assert {200, 201} <= set(statuses)
    assert sum(status < 300 for status in statuses) > N_REQUESTS / 20  # enough got through
