"""The light distribution: the package and nothing else, and httpx as its one requirement."""

import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from tests.svp_client.wheels import FOLDER, build_wheel

ROOT = FOLDER.parent
NOT_WHEELED = {"build", "svp_client.egg-info", "__pycache__"}
# Imports every module while all that httpx does not need is out of reach.
IMPORT_ALONE = """
import importlib, pathlib, pkgutil, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused!r}:
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
sys.path.insert(0, {root!r})
import svp_client
for module in pkgutil.walk_packages(svp_client.__path__, "svp_client."):
    importlib.import_module(module.name)
"""


def test_it_imports_where_nothing_but_httpx_is_installed() -> None:
    refused = {"app", "selection", "models", "workers", "orjson", "pydantic", "numpy", "starlette"}
    code = IMPORT_ALONE.format(refused=refused, root=str(ROOT))
    subprocess.run([sys.executable, "-c", code], check=True)


def test_both_distributions_have_one_version_and_python() -> None:
    own, server = (
        tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        for folder in (FOLDER, ROOT)
    )
    assert own["version"] == server["version"]
    assert own["requires-python"] == server["requires-python"]
    assert own["dependencies"] == [d for d in server["dependencies"] if d.startswith("httpx>")]


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_requires_httpx_alone(tmp_path: Path) -> None:
    with zipfile.ZipFile(build_wheel(tmp_path)) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        (about,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
        metadata = Parser().parsestr(wheel.read(about).decode())
    source = {
        f"svp_client/{path.relative_to(FOLDER)}"
        for path in FOLDER.rglob("*")
        if path.suffix in (".py", ".typed") and not NOT_WHEELED & set(path.parts)
    }
    assert names == source
    assert "svp_client/py.typed" in names
    assert metadata["Name"] == "svp-client"
    (needed,) = metadata.get_all("Requires-Dist", [])
    assert needed.startswith("httpx>=")
