"""Progress of a run: bars on a terminal, else a line a minute."""

import io

from rich.console import Console

from workers.simulation.bars import Bars, Step


def test_without_a_terminal_a_unit_says_how_far_it_is() -> None:
    said = io.StringIO()
    with Bars.shown(None, Console(file=said, width=120), 0.0) as bars:
        bar = bars.add("proxy", 3, 5)
        bar.on_step(Step("round 1", 0.25))
    assert "proxy 3 1/5 round 1 accuracy 0.750" in said.getvalue()


def test_it_says_so_at_most_once_a_minute() -> None:
    said = io.StringIO()
    with Bars.shown(None, Console(file=said, width=120)) as bars:
        bar = bars.add("proxy", 3, 5)
        for number in range(4):
            bar.on_step(Step(f"round {number}", None))
    assert "1/5" not in said.getvalue()
