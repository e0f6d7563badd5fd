"""Works out how much of a project's budget is left."""

from sqlalchemy.orm import Session

from app.db.queries import batches, rounds, set_aside
from app.db.tables import Project
from app.domain.budget import BudgetState, next_batch_budget


def n_next_batch(session: Session, project: Project) -> int:
    """Return how many items the next batch would hold if the live round ended now."""
    is_first = rounds.latest(session, project.id) is None
    wanted = project.initial_budget if is_first else project.round_budget
    budget = budget_state(session, project)
    return next_batch_budget(wanted, budget, n_selectable(session, project, budget))


def budget_state(session: Session, project: Project) -> BudgetState:
    """Return the state of the project's budget; expects expired leases to be freed."""
    counts = batches.open_counts(session, project.id)
    return BudgetState(
        total=project.total_budget,
        labeled=project.n_labeled,
        committed=counts.committed,
        open_batch=counts.batch,
    )


def n_selectable(session: Session, project: Project, budget: BudgetState) -> int:
    """Return how many pool items a selection may choose from."""
    taken = project.n_labeled + project.n_imported + project.n_skipped + budget.committed
    taken += set_aside.n_unselectable(session, project.id)
    return max(0, project.n_pool - taken)
