"""The newest audit of a project's proxy, in a sentence."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.db.queries import analyses
from app.db.tables import AnalysisKind, Project
from app.domain.classification import Interval


@dataclass(frozen=True)
class Audit:
    """An answered audit: the proxy's correlation with the target, and that of two targets.

    `is_below` says that the correlation is less than the project's rule then asked for.
    """

    id: int
    n_labeled: int
    correlation: Interval
    ceiling: Interval
    is_below: bool

    @property
    def sentence(self) -> str:
        """The audit in one sentence, as advice shows it."""
        found, ceiling = self.correlation, self.ceiling
        said = (
            f"With {self.n_labeled} labels the proxy's scores agree with the target's by "
            f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f}); two trainings of the target "
            f"agree by {ceiling.value:.2f}."
        )
        if self.is_below:
            said += " That is below audit.min_correlation: consider a proxy nearer to the target."
        return said


def newest_audit(session: Session, project: Project) -> Audit | None:
    """Return the project's newest audit that is answered."""
    found = analyses.newest_answered(session, project.id, AnalysisKind.AUDIT)
    if found is None or found.result is None:
        return None
    correlation = Interval(**found.result["models"][0]["correlation"])
    return Audit(
        id=found.id,
        n_labeled=found.n_labeled or 0,
        correlation=correlation,
        ceiling=Interval(**found.result["ceiling"]),
        is_below=correlation.value < found.options["min_correlation"],
    )
