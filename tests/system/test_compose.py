"""docker-compose.yml without a docker engine: what it names exists, and its commands work."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
import typer.main
import yaml
from sqlalchemy.orm import sessionmaker

from app.config import NOT_SETTINGS, Settings, environment_without_settings
from app.db.session import make_engine, transaction
from app.db.tables import Role
from app.services.tokens import create_token
from tests.support import is_open, require, wait_for
from workers.cli.main import app as svp
from workers.service.ports import free_port

ROOT = Path(__file__).parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())[
    "services"
]
PASSWORD = "p@ss:/ w%rd$#?['x"  # noqa: S105 - of a test
OURS = {name: service for name, service in SERVICES.items() if "build" in service}


class TestComposeFile:
    @pytest.mark.parametrize("name", sorted(OURS))
    def test_every_command_and_option_exists(self, name: str) -> None:
        program, command, *arguments = OURS[name]["command"]
        assert program == "svp"
        group = typer.main.get_command(svp)
        assert isinstance(group, click.Group) or hasattr(group, "commands")
        known = {o for p in group.commands[command].params for o in p.opts}
        assert {a for a in arguments if a.startswith("--")} <= known

    @pytest.mark.parametrize("name", sorted(OURS))
    def test_every_variable_is_a_setting(self, name: str) -> None:
        known = {f"SVP_{field.upper()}" for field in Settings.model_fields} | NOT_SETTINGS
        assert set(OURS[name].get("environment", {})) <= known

    def test_secrets_come_from_the_environment(self) -> None:
        text = (ROOT / "docker-compose.yml").read_text()
        for value in re.findall(r"(?m)^ +\w*(?:PASSWORD|TOKEN): +(\S+)", text):
            assert value.startswith("${"), value

    def test_only_this_machine_reaches_the_service_and_redis_asks_for_a_password(self) -> None:
        for name, service in SERVICES.items():
            assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        command = SERVICES["redis"]["command"]
        assert command[command.index("--requirepass") + 1].startswith("${REDIS_PASSWORD:?")

    def test_api_is_ready_with_a_worker_so_no_worker_waits_for_it(self) -> None:
        for name in ("worker-gpu", "worker-cpu"):
            assert "api" not in SERVICES[name]["depends_on"]

    def test_image_serves_other_machines_and_keeps_its_data_in_the_volume(self) -> None:
        text = (ROOT / "Dockerfile").read_text()
        assert "SVP_HOST=0.0.0.0" in text
        assert "SVP_DATA_FOLDER=/data" in text
        assert re.search(r'VOLUME \[.*"/data"', text)

    def test_images_are_built_for_cpus_and_for_the_api_alone(self) -> None:
        text = (ROOT / "Dockerfile").read_text()
        stages = re.findall(r"(?m)^FROM (\S+)(?: AS (\S+))?", text)
        assert stages == [("python:3.12-slim", "source"), ("source", "api"), ("source", "")]
        alone = text.split("AS api")[1].split("FROM")[0]
        assert "./deploy/api" in alone
        assert "torch" not in alone
        assert '--index-url "$TORCH_INDEX"' in text
        assert SERVICES["api"]["build"]["args"] == {"TORCH_INDEX": "${TORCH_INDEX:-}"}

    def test_every_service_has_a_grace_period_and_volumes_are_declared(self) -> None:
        declared = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["volumes"]
        for name, service in SERVICES.items():
            assert service["stop_grace_period"] == "30s", name
            for volume in service["volumes"]:
                assert volume.split(":")[0] in declared
        for name in ("api", "postgres", "redis"):
            assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
        assert SERVICES["simulate"]["profiles"] == ["simulate"]

    def test_every_path_of_the_dockerfile_exists(self) -> None:
        for line in (ROOT / "Dockerfile").read_text().splitlines():
            if line.startswith("COPY"):
                for path in line.split()[1:-1]:
                    assert (ROOT / path).exists(), path


@pytest.fixture
def guarded_redis_url(tmp_path: Path) -> Iterator[str]:
    """URL, without the password, of a Redis that is started as the file says."""
    require(shutil.which("redis-server") is not None, "redis-server is not installed")
    port = free_port()
    command = [re.sub(r"\$\{REDIS_.*\}", PASSWORD, part) for part in SERVICES["redis"]["command"]]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--dir", str(tmp_path)], stdout=subprocess.DEVNULL
    )
    wait_for(lambda: is_open(port), 10)
    yield f"redis://127.0.0.1:{port}/0"
    process.terminate()
    process.wait(10)


def with_defaults(text: str) -> str:
    """Return a value of the file as compose reads it where no variable is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_same_commands_serve_an_experiment_over_postgres_and_redis(
    database_url: str, guarded_redis_url: str, tmp_path: Path
) -> None:
    port = free_port()
    replaced = {
        "SVP_DATABASE_URL": database_url,
        "SVP_BROKER_URL": guarded_redis_url,
        "SVP_DATABASE_PASSWORD": PASSWORD,
        "SVP_BROKER_PASSWORD": PASSWORD,
        "SVP_DATA_FOLDER": str(tmp_path / "data"),
        "SVP_HOST": "127.0.0.1",
        "SVP_PORT": str(port),
    }
    clean = environment_without_settings()
    log = (tmp_path / "log").open("ab")

    def start(name: str, *options: str, **more: str) -> subprocess.Popen[bytes]:
        """Start a service's own command with its own variables, addresses replaced."""
        environment = {**OURS[name].get("environment", {}), **replaced, **more}
        command = [
            with_defaults(part).replace("http://api:8000", f"http://127.0.0.1:{port}")
            for part in OURS[name]["command"]
        ]
        command = [
            str(tmp_path / part[1:]) if part.startswith("/reports") else part for part in command
        ]
        return subprocess.Popen(
            [sys.executable, "-m", "workers.cli.main", *command[1:], *options],
            env={**clean, **environment},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    assert start("migrate").wait(60) == 0
    engine = make_engine(database_url)
    with transaction(sessionmaker(engine)) as session:
        token, _ = create_token(session, "root", Role.ADMIN, project_id=None)
    engine.dispose()
    running = [start("api"), start("worker-gpu"), start("worker-cpu")]
    try:
        wait_for(lambda: is_open(port), 60)
        health = OURS["api"]["healthcheck"]["test"]
        assert health[1] == "svp"
        command = [sys.executable, "-m", "workers.cli.main", *health[2:]]
        assert subprocess.run(command, env={**clean, **replaced}, check=False).returncode == 0
        fewer = ("--seed", "1", "--set", "budgets.total_budget=200")  # the rest is one round
        simulated = start("simulate", *fewer, SVP_ADMIN_TOKEN=token).wait(300)
        assert simulated == 0, (tmp_path / "log").read_text()[-3000:]
        assert (
            tmp_path / "reports" / "digits" / "report" / "error-by-budget.png"
        ).stat().st_size > 10_000
        assert httpx.get(f"http://127.0.0.1:{port}/api/v1/projects").status_code == 401
    finally:
        for process in running:
            process.terminate()
        codes = [process.wait(30) for process in running]
        log.close()
    assert codes[0] in (0, -15)
    assert codes[1:] == [0, 0]
