"""Chooses the strategy that selects a round."""


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
