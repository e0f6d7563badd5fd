"""Audits: how far the proxy's scores are those of the target, asked for or due with a round."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import labels, projects, rounds
from app.db.tables import Analysis, AnalysisKind, Job, Project, Round
from app.domain.audit import AuditRule
from app.domain.errors import AnalysisInvalid
from app.domain.json_fields import from_json
from app.services.analyses import create_analysis
from selection.catalog import Purpose, find_strategy, needs_model
from selection.errors import SelectionError

N_SAMPLE = 2000


@dataclass(frozen=True)
class AuditIn:
    """An audit as it is asked for.

    Attributes:
        strategy: whose scores are compared; None: that of the newest round.
        n_sample: unlabeled items to score.
    """

    strategy: str | None = None
    n_sample: int = N_SAMPLE


def create_audit(
    session: Session, project_id: int, wanted: AuditIn, settings: Settings
) -> tuple[Analysis, Job]:
    """Ask for an audit.

    Raises:
        NotFound: there is no such project.
        AnalysisInvalid: the strategy has no scores of a model, or nothing can be trained yet.
    """
    project = projects.lock(session, project_id)
    return _create(session, project, wanted, settings)


def audit_if_due(session: Session, project: Project, round_: Round, settings: Settings) -> None:
    """Ask for the audit that the project wants with this round; expects the project's lock."""
    rule = from_json(AuditRule, project.audit)
    if rule.is_due(round_.number) and needs_model(round_.strategy) and round_.model_id is not None:
        _create(session, project, AuditIn(round_.strategy), settings)


def _create(
    session: Session, project: Project, wanted: AuditIn, settings: Settings
) -> tuple[Analysis, Job]:
    strategy = audited_strategy(session, project, wanted.strategy)
    options = {
        "strategy": strategy,
        "n_sample": wanted.n_sample,
        "proxy": project.proxy,
        "target": project.target,
        "min_correlation": from_json(AuditRule, project.audit).min_correlation,
    }
    return create_analysis(session, project, AnalysisKind.AUDIT, options, settings)


def audited_strategy(session: Session, project: Project, wanted: str | None) -> str:
    """Return the strategy whose scores models are compared by; by default the newest round's.

    Raises:
        AnalysisInvalid: it is unknown, needs no model, or no model can be trained yet.
    """
    newest = rounds.newest_published(session, project.id)
    strategy = wanted or (newest.strategy if newest and newest.model_id else project.strategy)
    try:
        find_strategy(strategy, Purpose.BATCH)
    except SelectionError as error:
        raise AnalysisInvalid(str(error)) from None
    if not needs_model(strategy):
        raise AnalysisInvalid(
            f"{strategy} needs no model, so no proxy stands for the target; name another strategy, "
            "for example margin."
        )
    n_classes = labels.n_classes_resolved(session, project.id)
    if n_classes < 2:
        raise AnalysisInvalid(
            f"The labels hold {n_classes} of the project's classes, but models need two. Label "
            "items of another class first."
        )
    return strategy
