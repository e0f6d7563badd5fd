"""Invariants of events: they record every change of states and settings, without a gap."""

from app.db.queries.invariants.invariant import Invariant
from app.domain.states import ALLOWED_TRANSITIONS, JobState, ProjectState, RoundState


def _allowed(states: type[ProjectState] | type[RoundState] | type[JobState]) -> str:
    """Return the transition table as rows of a VALUES list."""
    return ", ".join(
        f"('{old}', '{new}')"
        for old, successors in sorted(ALLOWED_TRANSITIONS[states].items())
        for new in sorted(successors)
    )


def _history(
    name: str,
    table: str,
    key: str,
    states: type[ProjectState] | type[RoundState] | type[JobState],
    first: str,
) -> Invariant:
    """Return the promise that a state's events follow its table, from `first` to the present."""
    subject = {"project": "e.project_id", "round": "e.facts->>'round'", "job": "e.facts->>'job'"}
    return Invariant(
        f"{name}_history",
        f"The events of a {name}'s state follow one another as its transition table allows.",
        f"""
        WITH changes AS (
            SELECT e.project_id, {subject[name]} AS subject, e.id,
                   e.facts->>'from' AS old, e.facts->>'to' AS new,
                   lag(e.facts->>'to') OVER w AS before,
                   lead(e.id) OVER w IS NULL AS is_last
            FROM events e WHERE e.name = '{name}.state_changed'
            WINDOW w AS (PARTITION BY e.project_id, {subject[name]} ORDER BY e.id)
        )
        SELECT c.project_id, format('{name} %s: %s -> %s in event %s', subject, old, new, c.id)
        FROM changes c
        LEFT JOIN {table} t ON t.{key}::text = c.subject::text
            AND t.{"id" if name == "project" else "project_id"} = c.project_id
        WHERE (old, new) NOT IN (VALUES {_allowed(states)})
           OR old <> coalesce(before, {first})
           OR (is_last AND t.state <> new)
        """,
    )


HISTORY = (
    Invariant(
        "setting_history",
        "The changes of a setting follow one another, from each value to the next, to the present.",
        """
        WITH changes AS (
            SELECT e.project_id, e.id, e.facts->>'setting' AS setting,
                   e.facts->'before' AS old, e.facts->'after' AS new,
                   lag(e.facts->'after') OVER w AS before,
                   lead(e.id) OVER w IS NULL AS is_last
            FROM events e WHERE e.name = 'project.setting_changed'
            WINDOW w AS (PARTITION BY e.project_id, e.facts->>'setting' ORDER BY e.id)
        )
        SELECT c.project_id, format('%s: %s -> %s in event %s', setting, old, new, c.id)
        FROM changes c JOIN projects p ON p.id = c.project_id
        WHERE old <> coalesce(before, old) OR old = new
           OR (is_last AND to_jsonb(p)->setting <> new)
        """,
    ),
    _history("project", "projects", "id", ProjectState, "'draft'"),
    _history("round", "rounds", "number", RoundState, "old"),
    _history("job", "jobs", "id", JobState, "'queued'"),
)
