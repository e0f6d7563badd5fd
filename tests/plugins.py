"""Lays out installed packages that bring a strategy or a model by an entry point."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import invalidate_caches
from pathlib import Path
from textwrap import dedent

import pytest

from models import catalog as models_catalog
from selection import catalog as strategies_catalog

# The one strategy of a package called by its own name: items with the highest first feature.
FIRST_FEATURE = {
    "catalog": """
        from selection.catalog import Signal, StrategyInfo

        first_feature = StrategyInfo(
            "first_feature",
            "First feature",
            "Items with the highest first feature.",
            "{package}.ranking:rank",
            frozenset({{Signal.FEATURES}}),
        )
        backwards = StrategyInfo(
            "backwards", "Backwards", "The newest items first.", "{package}.ranking:rank_backwards"
        )
    """,
    "ranking": """
        import numpy as np

        from selection.types import Ranking

        def rank(signals, budget, rng):
            return Ranking.of_highest(signals.features[:, 0].astype(np.float64), budget)

        def rank_backwards(signals, budget, rng):
            return Ranking.of_highest(np.arange(signals.n, dtype=np.float64), budget)
    """,
}


def lay_out(
    folder: Path, package: str, point: tuple[str, str, str], modules: Mapping[str, str]
) -> None:
    """Lay out an installed package in a folder that is on the path.

    Args:
        folder: where packages are found.
        package: its name, new in this process; `{package}` in the modules stands for it.
        point: group, name and target of its entry point.
        modules: source by name.
    """
    group, name, target = point
    about = folder / f"{package}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{group}]\n{name} = {target}\n")
    (folder / package).mkdir()
    (folder / package / "__init__.py").touch()
    for module, source in modules.items():
        text = dedent(source).format(package=package)
        (folder / package / f"{module}.py").write_text(text)
    forget_installed()


def forget_installed() -> None:
    """Let both catalogs look for installed packages again."""
    invalidate_caches()
    models_catalog.installed_points.cache_clear()
    strategies_catalog.installed_points.cache_clear()


@contextmanager
def brought_strategy(
    folder: Path, monkeypatch: pytest.MonkeyPatch, package: str, name: str
) -> Iterator[None]:
    """Have a strategy of FIRST_FEATURE's package installed while the block runs."""
    with monkeypatch.context() as patch:
        patch.syspath_prepend(folder)
        point = (strategies_catalog.PLUGIN_GROUP, name, f"{package}.catalog:{name}")
        lay_out(folder, package, point, FIRST_FEATURE)
        yield
    forget_installed()
