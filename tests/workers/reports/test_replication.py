"""The documentation says what the stored reports say, and names every experiment of the paper."""

from pathlib import Path

import pytest

from tests.benchmarks.simulation.write_replication import DOCS, PAGES, filled
from workers.simulation.load import bundled


@pytest.mark.parametrize("page", PAGES)
def test_results_are_those_of_the_stored_reports(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert filled(text, DOCS / "results") == text, (
        "run python -m tests.benchmarks.simulation.write_replication"
    )


def test_every_experiment_of_the_paper_is_named() -> None:
    text = (DOCS / "replication.md").read_text(encoding="utf-8")
    missing = [name for name, config in bundled().items() if config.paper and name not in text]
    assert missing == []


def test_a_section_shows_the_main_part_with_pictures_that_are_there(tmp_path: Path) -> None:
    results = tmp_path / "results"
    (results / "tiny").mkdir(parents=True)
    (results / "tiny" / "report.md").write_text(
        "# Tiny (small scale)\n\n- command: svp simulate tiny\n- seeds: 1, 2\n- date: today\n\n"
        "**Missing: target not run with seed 2.**\n\n## Errors\n\n| a |\n| --- |\n| 1.0 |\n\n"
        "![Errors](errors.png)\n\n## Details\n\n### More\n"
    )
    text = "# Doc\n\n<!-- results of tiny -->\nold\n<!-- end of results -->\n\nEnd\n"
    found = filled(text, results)
    assert "old" not in found
    assert "*Tiny (small scale)*: command svp simulate tiny; seeds 1, 2." in found
    assert "**Missing: target not run with seed 2.**" in found
    assert "##### Errors\n" in found
    assert "![Errors](results/tiny/errors.png)" in found
    assert "More" not in found
    assert found.endswith("<!-- end of results -->\n\nEnd\n")
    assert filled(found, results) == found
    one_part = filled("<!-- results of tiny: Seconds; Errors -->\n<!-- end of results -->", results)
    assert "##### Errors\n" in one_part
    assert "Missing" not in one_part


def test_what_has_not_run_is_said_and_has_no_number(tmp_path: Path) -> None:
    text = "<!-- results of other -->\n12.3%\n<!-- end of results -->\n"
    found = filled(text, tmp_path / "results")
    assert "Not run yet" in found
    assert "12.3" not in found
