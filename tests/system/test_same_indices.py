"""One experiment in process and through the HTTP service selects the same indices in every round.

It holds under reserve 0, overlap 1, on the CPU, for any order of labels, any number of annotators
and a killed job.
"""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import environment_without_settings
from svp_client import Client
from tests.experiments import (
    indices,
    run,
    run_any,
    tiny,
    tiny_core_sets,
    tiny_study,
    write_tiny,
)
from tests.support import wait_for
from workers.service.stack import Stack
from workers.simulation.active_learning.lines import LineFile, read_lines
from workers.simulation.core_sets.lines import CoreSetLine
from workers.simulation.imports import project_name
from workers.simulation.model_studies.lines import StudyLine, read_scores
from workers.simulation.results import read_lines_of
from workers.simulation.run import read_run_id

pytestmark = pytest.mark.slow


@pytest.fixture
def client(service: Stack) -> Iterator[Client]:
    with Client(service.url, service.create_admin_token()) as client:
        yield client


def test_through_the_service_as_in_process(client: Client, tmp_path: Path) -> None:
    experiment = tiny(tmp_path)
    in_process = run(experiment, tmp_path / "process")
    served = run(experiment, tmp_path / "service", client)
    assert indices(served) == indices(in_process)
    for key, lines in served.items():
        errors = [(line.proxy_error, line.target_error) for line in in_process[key]]
        assert [(line.proxy_error, line.target_error) for line in lines] == errors


def test_core_sets_keep_the_same(client: Client, tmp_path: Path) -> None:
    arms = "arms = {forgetting = {selector = 'proxy', strategy = 'forgetting_events'}}"
    best = "traps.report_best_epoch=true"
    experiment = tiny_core_sets(tmp_path, arms.replace(" = ", "=", 1), "fractions=[0.5]", best)
    run_any(experiment, tmp_path / "process", threads=0)
    run_any(experiment, tmp_path / "service", client, threads=0)
    in_process = read_lines_of(CoreSetLine, tmp_path / "process")
    served = read_lines_of(CoreSetLine, tmp_path / "service")
    for key, lines in in_process.items():
        assert [line.indices for line in served[key]] == [line.indices for line in lines]
        for other, line in zip(served[key], lines, strict=True):
            assert other.selector_error == line.selector_error
            assert other.target_error == line.target_error
            assert other.target_error_best == line.target_error_best
            assert line.target_error_best is not None
            assert (other.selector, other.recipe_hash) == (line.selector, line.recipe_hash)
            assert other.via == "service"


@pytest.mark.parametrize(
    "order",
    [
        ("k_centers_budget=20", "same_initial=true", "models.shallow.recipe.schedule=one_cycle"),
        pytest.param(  # and the whole pool is ranked
            ("seeds=[3]", "initial_uniform=0"), marks=pytest.mark.nightly
        ),
        pytest.param(("seeds=[3]", "k_centers_budget=0"), marks=pytest.mark.nightly),
    ],
)
def test_studies_give_the_same_scores_and_errors(
    client: Client, tmp_path: Path, order: tuple[str, ...]
) -> None:
    experiment = tiny_study(tmp_path, *order)
    run_any(experiment, tmp_path / "process", threads=0)
    run_any(experiment, tmp_path / "service", client, threads=0)
    in_process = measurements(tmp_path / "process")
    assert set(in_process) == {(m, s) for m in ("shallow", "deep") for s in experiment.seeds}
    assert measurements(tmp_path / "service") == in_process
    lines = read_lines_of(StudyLine, tmp_path / "service")
    assert {line.via for of_model in lines.values() for line in of_model} == {"service"}
    assert 0 < lines["shallow", 3][0].train_seconds < lines["shallow", 3][1].train_seconds


@pytest.mark.nightly
def test_a_model_without_settings_keeps_its_own_recipe(client: Client, tmp_path: Path) -> None:
    """The service gives a project's own recipe to a core-set of the same model without one."""
    models = "models={short={model='preact8', recipe={epochs=1}}, whole={model='preact8'}}"
    alike = ("seeds=[6]", "k_centers_budget=0", models)
    experiment = tiny_study(tmp_path, *alike)
    run_any(experiment, tmp_path / "process", threads=0)
    run_any(experiment, tmp_path / "service", client, threads=0)
    assert measurements(tmp_path / "service") == measurements(tmp_path / "process")


def test_a_study_that_lost_its_lines_finds_its_core_sets_again(
    client: Client, tmp_path: Path
) -> None:
    experiment = tiny_study(tmp_path, "seeds=[4]", "data_seed=9")
    out = tmp_path / "service"
    run_any(experiment, out, client)
    before = measurements(out)
    for path in out.glob("*.jsonl"):
        path.unlink()
    run_any(experiment, out, client)
    assert measurements(out) == before
    project = client.find_project(project_name(experiment.name, "pool", 9, read_run_id(out)))
    assert project is not None
    assert len(client.core_sets(project["id"])) == len(experiment.models)


def measurements(out: Path) -> dict[tuple[str, int], list[object]]:
    """Return what a study measured: errors, recipes and scores, by model, seed and epoch."""
    return {
        key: [
            (
                *(line.epoch, line.epochs, line.error, line.architecture, line.recipe_hash),
                {name: scores.tolist() for name, scores in read_scores(out, line).items()},
            )
            for line in lines
        ]
        for key, lines in read_lines_of(StudyLine, out).items()
    }


@pytest.mark.nightly
def test_the_best_epoch_is_reported_as_in_process(client: Client, tmp_path: Path) -> None:
    only = ["seeds=[12]", "budgets.total_budget=18", "arms={proxy={selector='proxy'}}"]
    rounds = tiny(tmp_path, "traps.report_best_epoch=true", *only)
    in_process = run(rounds, tmp_path / "process")
    served = run(rounds, tmp_path / "service", client)
    for key, lines in in_process.items():
        for other, line in zip(served[key], lines, strict=True):
            assert other.proxy_error_best == line.proxy_error_best
            assert other.target_error_best == line.target_error_best
    assert in_process["proxy", 12][1].proxy_error_best is not None
    assert in_process["proxy", 12][1].target_error_best is not None


@pytest.mark.nightly
def test_options_of_the_selection_select_the_same(client: Client, tmp_path: Path) -> None:
    experiment = tiny(
        tmp_path,
        "strategy=badge",
        "selection={control_fraction = 0.25, class_balance = true, duplicate_similarity = 0.999}",
        "seeds=[5]",
    )
    in_process = run(experiment, tmp_path / "process")
    served = run(experiment, tmp_path / "service", client)
    assert indices(served) == indices(in_process)


@pytest.mark.nightly
def test_a_first_round_of_another_budget_selects_the_same(client: Client, tmp_path: Path) -> None:
    changes = ("budgets.first_round_budget=4", "budgets.total_budget=25", "seeds=[8]")
    experiment = tiny(tmp_path, *changes)
    in_process = run(experiment, tmp_path / "process")
    served = run(experiment, tmp_path / "service", client)
    assert [len(line.indices) for line in served["proxy", 8]] == [12, 4, 6, 3]
    assert indices(served) == indices(in_process)


@pytest.mark.nightly
def test_a_warm_start_selects_the_same(client: Client, tmp_path: Path) -> None:
    experiment = tiny(tmp_path, "models.proxy.recipe.warm_start=true", "seeds=[6]")
    in_process = run(experiment, tmp_path / "process")
    served = run(experiment, tmp_path / "service", client)
    assert indices(served) == indices(in_process)
    for key, lines in served.items():
        errors = [line.proxy_error for line in in_process[key]]
        assert [line.proxy_error for line in lines] == errors


def test_three_annotators_label_noise_and_a_killed_job_change_nothing(
    client: Client, service: Stack, tmp_path: Path
) -> None:
    experiment = tiny(
        tmp_path, "oracle.annotators=3", "oracle.poll_size=2", "oracle.noise=0.2", "seeds=[8]"
    )
    in_process = run(experiment, tmp_path / "process")
    killed = threading.Event()
    killer = threading.Thread(target=kill_next_training, args=(service, killed), daemon=True)
    killer.start()
    served = run(experiment, tmp_path / "service", client)
    assert killed.wait(0)
    projects = client.request("GET", "/projects?limit=1000").json()["projects"]
    jobs = [
        job for project in projects for job in client.jobs(project["id"]) if job["kind"] != "pack"
    ]
    assert any(
        job["attempts"] + job["lost_workers"] > 1 and job["state"] == "succeeded" for job in jobs
    )
    assert indices(served) == indices(in_process)


def test_annotators_who_leave_and_are_slow_hold_nothing_up(client: Client, tmp_path: Path) -> None:
    experiment = tiny(
        tmp_path,
        "seeds=[9]",
        "oracle.annotators=3",
        "oracle.poll_size=4",
        "oracle.abandonment=0.3",
        "oracle.latency_seconds=0.05",
    )
    served = run(experiment, tmp_path / "service", client)
    assert indices(served) == indices(run(experiment, tmp_path / "process"))
    names = set()
    for project in client.request("GET", "/projects?limit=1000").json()["projects"]:
        if "seed9" in project["name"]:
            path = f"/projects/{project['id']}/annotators"
            names |= {work["name"] for work in client.request("GET", path).json()}
    assert any(name.count("-") == 2 for name in names), "somebody left and was followed"


def test_killed_command_finds_its_projects_again(
    client: Client, service: Stack, tmp_path: Path
) -> None:
    command = [
        *[sys.executable, "-m", "workers.cli.main", "simulate", str(write_tiny(tmp_path))],
        *["--seed", "11", "--url", service.url, "--out", str(tmp_path / "service")],
    ]
    environment = environment_without_settings()
    environment["SVP_ADMIN_TOKEN"] = service.create_admin_token()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    wait_for(LineFile(tmp_path / "service", "proxy", 11).path.exists, 120)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    in_process = run(tiny(tmp_path, "seeds=[11]"), tmp_path / "process")
    assert indices(read_lines(tmp_path / "service")) == indices(in_process)
    names = [p["name"] for p in client.request("GET", "/projects?limit=1000").json()["projects"]]
    assert len([name for name in names if "seed11" in name]) == 3


def kill_next_training(service: Stack, killed: threading.Event) -> None:
    """Kill the process of the next job that trains a proxy, with signal 9, before the job ends."""
    log = service.log_file("worker")
    seen = log.stat().st_size

    def logged(words: str) -> list[str]:
        new = log.read_bytes()[seen:].decode().splitlines()
        return [line for line in new if words in line and "kind=pack" not in line]

    def kill(n: int) -> list[str]:
        """Kill the process of claimed job `n`; return the exit codes of its attempts."""
        wait_for(lambda: len(logged("job.claimed")) > n, 120)
        claimed = logged("job.claimed")[n]
        os.killpg(int(claimed.partition("pid=")[2].split()[0]), signal.SIGKILL)
        job = claimed.partition("job_id=")[2].split()[0]
        wait_for(lambda: bool(exit_codes(logged("job.ended"), job)), 30)
        return exit_codes(logged("job.ended"), job)

    n = 1  # the first one selects uniformly
    while kill(n) == ["0"]:  # it had just ended
        n += 1
    killed.set()


def exit_codes(lines: list[str], job: str) -> list[str]:
    """Return the exit codes of a job's attempts, of the log's lines on their ends."""
    found = (line for line in lines if re.search(rf"job_id={job}\b", line))
    return re.findall(r"exit_code=(\S+)", "\n".join(found))
