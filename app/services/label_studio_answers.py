"""Applies annotations of Label Studio: they become labels, revisions, withdrawals and skips.

What was seen there stands in our tables; what it means for an item is worked out anew from all of
it, so that applying twice changes nothing.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import annotators, gold, label_studio, projects
from app.db.queries import label_studio_annotations as queries
from app.db.queries import label_studio_leases as leases
from app.db.queries.label_studio_annotations import Seen
from app.db.tables import LabelStudioConnection, Project, SkipReason
from app.domain.errors import AnnotatorPaused, ProjectNotAccepting
from app.domain.states import LABEL_ACCEPTING_PROJECT_STATES, BatchItemState
from app.integrations.label_studio.labeling_config import LabelingConfig
from app.services.answers import AnswerStatus, Outcome
from app.services.budget import budget_state
from app.services.further_opinions import add_opinions
from app.services.labels import LabelEntry, submit_labels, withdraw_labels
from app.services.leases import after_freeing
from app.services.lifecycle import holding_back
from app.services.skips import submit_skips
from app.services.unskips import reopen_skipped

SKIPPED_THERE = "Skipped in Label Studio."
NO_CHOICE = "no_single_choice"
# Refused now; later it may be taken.
WAITS = frozenset(
    {
        "leased_to_another", "budget_spent", "not_in_batch", "already_skipped", "unknown_class",
        ProjectNotAccepting.code, AnnotatorPaused.code,
    }
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """The answer of one annotator to one item, as Label Studio has it now.

    Attributes:
        class_name: None: a skip, or no answer at all.
        seen_ids: what was seen and waits for this.
    """

    item_id: int
    annotator_id: int
    at: datetime
    class_name: str | None
    is_skip: bool
    seconds: float | None
    is_gold_task: bool
    seen_ids: tuple[int, ...]
    code: str | None = None


def apply(
    session: Session,
    connection: LabelStudioConnection,
    config: LabelingConfig,
    item_ids: Sequence[int],
    settings: Settings,
) -> int:
    """Apply what waits of these items; return how many answers were taken."""
    project = projects.lock(session, connection.project_id)
    wanted = _wanted(queries.of_items(session, connection.id, item_ids), config)
    if project.state not in LABEL_ACCEPTING_PROJECT_STATES:
        for want in wanted:
            _settle(session, want, ProjectNotAccepting.code)
        return 0
    leases.ensure_holders(session, connection)
    paused = annotators.paused(session, project.id)
    n_taken = 0
    with holding_back(session):  # the last label must not end the project before later opinions
        for group in _groups(wanted):
            annotator_id = group[0].annotator_id
            if annotator_id in paused:
                codes = dict.fromkeys((want.item_id for want in group), AnnotatorPaused.code)
            else:
                one = _Applying(session, connection, project, annotator_id, settings)
                codes = one.apply(group)
            for want in group:
                code = want.code or codes[want.item_id]
                n_taken += not _settle(session, want, code)
    after_freeing(session, project, settings)
    return n_taken


def _wanted(seen: Iterable[Seen], config: LabelingConfig) -> list[Wanted]:
    """Return the answers that wait, oldest change first."""
    of_pair: dict[tuple[int, int], list[Seen]] = {}
    for one in seen:
        of_pair.setdefault((one.item_id, one.annotator_id), []).append(one)
    found = [
        _answer(every, config) for every in of_pair.values() if any(s.is_pending for s in every)
    ]
    return sorted(found, key=lambda want: (want.at, want.item_id))


def _answer(every: Sequence[Seen], config: LabelingConfig) -> Wanted:
    """Return one annotator's answer: the newest real one, else a skip, else none."""
    waiting = [s for s in every if s.is_pending]
    there = [s for s in every if not s.is_deleted]
    real = [s for s in there if not s.is_skip and s.answer is not None]
    newest = real[-1] if real else None
    class_name, code = None, None
    if newest is not None and newest.answer is not None:
        # A choice that stands for no class is refused by its own name.
        class_name = config.class_of(newest.answer) or newest.answer
    elif any(not s.is_skip for s in there):
        code = NO_CHOICE
    return Wanted(
        item_id=every[0].item_id,
        annotator_id=every[0].annotator_id,
        at=min(s.updated_at for s in waiting),
        class_name=class_name,
        is_skip=class_name is None and any(s.is_skip for s in there),
        seconds=newest.seconds if newest else None,
        is_gold_task=all(s.is_gold_task for s in every),
        seen_ids=tuple(s.id for s in waiting),
        code=code,
    )


def _groups(wanted: Sequence[Wanted]) -> list[list[Wanted]]:
    """Return the answers by annotator, so that those to one item keep their order."""
    n_of_item: dict[int, int] = {}
    groups: dict[tuple[int, int], list[Wanted]] = {}
    for want in wanted:
        turn = n_of_item.get(want.item_id, 0)
        n_of_item[want.item_id] = turn + 1
        groups.setdefault((turn, want.annotator_id), []).append(want)
    return [groups[key] for key in sorted(groups, key=lambda key: key[0])]


def _settle(session: Session, want: Wanted, code: str) -> bool:
    """Note what became of an answer; return whether it waits or was refused."""
    is_waiting = code in WAITS
    queries.settle(session, want.seen_ids, code, is_pending=is_waiting)
    return is_waiting or code not in set(AnswerStatus)


@dataclass(frozen=True)
class _Applying:
    """Applies the answers of one annotator to different items; the project is locked."""

    session: Session
    connection: LabelStudioConnection
    project: Project
    annotator_id: int
    settings: Settings

    def apply(self, group: Sequence[Wanted]) -> dict[int, str]:
        """Return item -> status or code of the refusal."""
        labels = [want for want in group if want.class_name is not None]
        skips = [want.item_id for want in group if want.is_skip]
        nothing = [w.item_id for w in group if w.class_name is None and not w.is_skip]
        self._hand_over([*(want.item_id for want in labels), *skips])
        item_ids = [want.item_id for want in group]
        codes = dict.fromkeys(item_ids, AnnotatorPaused.code)
        with suppress(AnnotatorPaused):  # for their answers to gold, just now
            codes |= self._label(labels)
            codes |= self._skip(skips)
            codes |= self._withdraw(nothing)
        days = self.settings.label_studio_lease_days
        leases.take_back(self.session, self.connection, self.annotator_id, item_ids, days)
        return codes

    def _hand_over(self, item_ids: Sequence[int]) -> None:
        """Let the annotator hold what the connection held for them."""
        leases.hand_over(self.session, self.connection, self.annotator_id, item_ids)
        gold.lease(
            self.session,
            self.project.id,
            self.annotator_id,
            queries.gold_to_hand(self.session, self.annotator_id, item_ids),
            self.settings.annotation_lease_seconds,
        )

    def _label(self, wanted: Sequence[Wanted]) -> dict[int, str]:
        if not wanted:
            return {}
        item_ids = [want.item_id for want in wanted]
        codes = self._reopen(item_ids, self._annotators())
        entries = [
            LabelEntry(want.item_id, want.class_name, want.seconds)
            for want in wanted
            if want.class_name is not None and want.item_id not in codes
        ]
        codes |= _codes(submit_labels(*self._request, entries, self.settings))
        states = queries.states_of(self.session, item_ids)
        is_gold_task = {want.item_id for want in wanted if want.is_gold_task}
        surplus = [
            entry
            for entry in entries
            if codes[entry.item_id] in ("already_labeled", "not_in_batch")
            and states.get(entry.item_id) == BatchItemState.LABELED
            and entry.item_id not in is_gold_task
        ]
        if surplus:
            codes |= _codes(add_opinions(*self._request, surplus, self.settings))
        return codes

    def _skip(self, item_ids: Sequence[int]) -> dict[int, str]:
        if not item_ids:
            return {}
        withdraw_labels(*self._request, item_ids, self.settings)
        reason = SkipReason.OTHER
        return _codes(submit_skips(*self._request, item_ids, reason, self.settings, SKIPPED_THERE))

    def _withdraw(self, item_ids: Sequence[int]) -> dict[int, str]:
        if not item_ids:
            return {}
        codes = _codes(withdraw_labels(*self._request, item_ids, self.settings))
        return codes | self._reopen(item_ids, {self.annotator_id})

    def _reopen(self, item_ids: Sequence[int], skipped_by: set[int]) -> dict[int, str]:
        """Reopen those that one of these skipped; return the codes of those that stay skipped."""
        states = queries.states_of(self.session, item_ids)
        skipped = [i for i in item_ids if states.get(i) == BatchItemState.SKIPPED]
        if not skipped:
            return {}
        # An item that took such a place makes room again, if nobody has answered it.
        room = budget_state(self.session, self.project).left_for_reserve
        if room < len(skipped):
            leases.give_up(self.session, self.connection, len(skipped) - room)
        outcomes = reopen_skipped(self.session, self.project.id, skipped, skipped_by, self.settings)
        return {o.item_id: o.code for o in outcomes if o.code is not None}

    def _annotators(self) -> set[int]:
        return set(label_studio.known_users(self.session, self.connection.id).values())

    @property
    def _request(self) -> tuple[Session, int, int]:
        return self.session, self.project.id, self.annotator_id


def _codes(outcomes: Iterable[Outcome]) -> dict[int, str]:
    return {outcome.item_id: outcome.code or outcome.status for outcome in outcomes}
