"""Budget arithmetic. The budget counts items, not labels."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BudgetState:
    """Spending of a project's total budget; all counts are items.

    Attributes:
        total: `total_budget` of the project.
        labeled: items whose label annotators resolved (imported labels are outside the budget).
        committed: unresolved items under a live lease or with at least one label given.
        open_batch: unresolved batch items that are not committed: they will be handed out.
    """

    total: int
    labeled: int
    committed: int
    open_batch: int

    @property
    def left_for_batch(self) -> int:
        """Number of items that a new batch may still hold; 0 when all is spent or leased."""
        return max(0, self.total - self.labeled - self.committed)

    @property
    def left_for_reserve(self) -> int:
        """Number of reserve items that may still be handed out beside the open batch."""
        return max(0, self.total - self.labeled - self.committed - self.open_batch)


def next_batch_budget(round_budget: int, state: BudgetState, n_selectable: int) -> int:
    """Return how many items the next batch holds; 0 means that the target is next."""
    return max(0, min(round_budget, state.left_for_batch, n_selectable))


def ranking_length(batch: int, reserve: int, may_drop_out: int, n_selectable: int) -> int:
    """Return how many items a selection ranks.

    Args:
        batch: budget of the round.
        reserve: the project's reserve.
        may_drop_out: open reserve items of earlier rounds at the snapshot: annotators may label
            them before the selection is published.
        n_selectable: items in the pool at the snapshot.
    """
    return min(n_selectable, batch + reserve + may_drop_out)
