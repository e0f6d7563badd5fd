"""Chooses the strategy that selects a round."""

from selection.catalog import AUTO

DEFAULT_COLD_START = "uniform"


def strategy_of_round(
    strategy: str, *, needs_model: bool, n_classes_labeled: int, cold_start: str = "uniform"
) -> str:
    """Return the strategy of the next round: `cold_start` while no model can be trained.

    Args:
        strategy: the project's.
        needs_model: whether it needs signals of a trained proxy.
        n_classes_labeled: distinct classes among the resolved labels.
        cold_start: strategy that needs no proxy.
    """
    return cold_start if needs_model and n_classes_labeled < 2 else strategy


def cold_start_of(strategy: str, cold_start: str) -> str:
    """Return what selects while no model can be trained: `auto` chooses that, too, unless told."""
    return AUTO if strategy == AUTO and cold_start == DEFAULT_COLD_START else cold_start
