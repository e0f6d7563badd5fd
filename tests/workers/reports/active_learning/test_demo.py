"""The report of `make demo`: its table, its sentence and its files."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from tests.workers.reports.made_up import active_learning_config, write_active_learning
from workers.reports.active_learning.demo import write_demo

BUDGETS = (100, 200, 300)
ERRORS = {
    "proxy": {100: 0.2, 200: 0.09, 300: 0.05},
    "target": {100: 0.2, 200: 0.08, 300: 0.04},
    "uniform": {100: 0.2, 200: 0.15, 300: 0.1},
}
SECONDS = {"proxy": 2.0, "target": 8.0}


@pytest.fixture
def printed(tmp_path: Path) -> str:
    """Return what the demo prints of made-up runs in 80 columns; its files are in "out"."""
    config = active_learning_config(
        data={"name": "digits"},
        paper=None,
        budgets={"initial_budget": 100, "round_budget": 100, "total_budget": 300},
    )
    run = write_active_learning(
        tmp_path / "run",
        config,
        lambda arm, n, _seed: ERRORS[arm].get(n, 0.5),
        seconds=lambda arm, _n: SECONDS[arm],
        budgets=BUDGETS,
        data="digits",
    )
    console = Console(width=80, record=True)
    write_demo(run, 12.5, tmp_path / "out", console)
    return console.export_text()


def test_the_table_names_every_arm_with_its_spread_and_speed_up(printed: str) -> None:
    proxy = next(line for line in printed.splitlines() if " proxy " in line)
    assert [cell.strip() for cell in proxy.split("│")[1:-1]] == [
        *["proxy", "preact20", "300", "5.0 ± 0.00%", "4.0", "4.0x"]
    ]
    assert max(map(len, printed.splitlines())) <= 80


def test_it_says_what_the_proxy_saved(printed: str) -> None:
    words = " ".join(printed.split())
    assert "The proxy saved 12.0 s of data selection (4.0x) a seed" in words
    assert "with 100 labels fewer it reached uniform's error at 300." in words


def test_its_files_hold_the_figures(printed: str, tmp_path: Path) -> None:
    assert printed
    facts = json.loads((tmp_path / "out" / "demo.json").read_text())
    assert facts["seeds"] == [1, 2, 3]
    assert facts["seconds"] == 12.5
    assert facts["selection_seconds"]["proxy"]["training"] == [3.0] * 3
    for name in ("demo.png", "report.html", "report.md", "error-by-budget.png"):
        assert (tmp_path / "out" / name).stat().st_size > 1000
