"""The application."""

import subprocess
import sys


def test_importing_the_application_loads_no_torch() -> None:
    heavy = "{'torch', 'pandas', 'sklearn', 'cleanlab'}"
    code = f"import app.main, sys; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
