"""Builds the light distribution from a copy, so that nothing is left in the folder."""

import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "svp_client"


def build_wheel(into: Path) -> Path:
    """Return the light wheel, built into a folder."""
    copy = into / "source"
    shutil.copytree(
        FOLDER, copy, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    )
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(into),
    ]
    subprocess.run([*command, str(copy)], check=True)
    (wheel,) = into.glob("svp_client-*.whl")
    return wheel
