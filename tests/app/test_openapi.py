"""The OpenAPI document describes every route with its errors."""

from svp_client import Client


class TestOpenApi:
    def test_every_route_is_described_with_its_errors(self, admin: Client) -> None:
        schema = admin.request("GET", "/openapi.json").json()
        for path, methods in schema["paths"].items():
            for method, route in methods.items():
                where = f"{method} {path}"
                assert route["summary"], where
                assert route["description"], where
                if "/health/" in path:
                    continue
                for status in ("401", "422"):
                    content = route["responses"][status]["content"]
                    assert list(content) == ["application/problem+json"], where
        assert "code" in schema["components"]["schemas"]["Problem"]["properties"]
        for name in ("ProjectCreate", "LabelsIn", "SkipsIn", "NextBatchOut", "ImportResult"):
            assert schema["components"]["schemas"][name]["example"], name
