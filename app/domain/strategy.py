"""Which strategy selects a round."""

COLD_START = "uniform"


def strategy_of_round(strategy: str, *, needs_model: bool, n_classes_labeled: int) -> str:
    """Return the strategy of the next round: `uniform` while no model can be trained.

    Args:
        strategy: the project's.
        needs_model: whether it needs signals of a trained proxy.
        n_classes_labeled: distinct classes among the resolved labels.
    """
    return COLD_START if needs_model and n_classes_labeled < 2 else strategy
