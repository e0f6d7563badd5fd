"""Rules of annotators: poll, label, undo, skip."""

from hypothesis import strategies as st
from hypothesis.stateful import (
    rule,
)

from app.db.session import transaction
from app.db.tables import SkipReason
from app.domain.errors import (
    AnnotatorPaused,
    ProjectNotAccepting,
)
from app.domain.states import ProjectState
from app.services.flags import flag_items
from app.services.leases import next_batch, release_leases, renew_leases
from app.services.skips import submit_skips
from tests.loop import (
    expire_leases,
)
from tests.workers.jobs.machine.world import CLASS, ITEM, NAMES, WHO, World


class AnnotatorRules(World):
    """Actions of annotators, in any order."""

    @rule(who=WHO, size=st.integers(1, 6))
    def poll(self, who: int, size: int) -> None:
        with transaction(self.factory) as session:
            before = self._leases(session, who)
            try:
                batch = next_batch(session, self.project, self.annotators[who], size, self.settings)
            except AnnotatorPaused:
                assert self._is_paused(session, who)
                return
            gold = self._gold_of(session, who)
            got = [leased.item.id for leased in batch.items]
            session.flush()
            assert len(got) == len(set(got)) <= size
            if batch.project.state != ProjectState.RUNNING:
                assert got == []
                return
            real = [item for item in got if item not in gold]
            if batch.hides_ranking:  # in an order of their own, gold among them
                n_first = next((i for i, x in enumerate(real) if x not in before), len(real))
                assert not set(real[n_first:]) & set(before)
                assert n_first in (len(real), len(before))
            else:  # what is leased comes back first
                assert before[: len(real)] == real[: len(before)]
            if len(got) < size:
                assert self._n_leasable(session, who) == 0

    @rule(who=WHO)
    def renew(self, who: int) -> None:
        with transaction(self.factory) as session:
            try:
                renewed = renew_leases(
                    session, self.project, self.annotators[who], None, self.settings
                )
            except ProjectNotAccepting:
                return
            gold = self._gold_of(session, who)
            real = [i.item.id for i in renewed if i.item.id not in gold]
            assert sorted(real) == sorted(self._leases(session, who))

    @rule(who=WHO, some=st.sets(ITEM, max_size=3))
    def release(self, who: int, some: set[int]) -> None:
        chosen = [self._item(i) for i in some] or None
        with transaction(self.factory) as session:
            release_leases(session, self.project, self.annotators[who], chosen, self.settings)
            left = self._leases(session, who)
            assert not set(left) & set(chosen or left)

    @rule(who=WHO)
    def leave(self, who: int) -> None:
        expire_leases(self.factory, self.project, self.annotators[who])

    @rule(who=WHO, class_name=CLASS)
    def label_all_held(self, who: int, class_name: str) -> None:
        with transaction(self.factory) as session:
            held = self._leases(session, who)
        if held:
            self._label(who, held, class_name)

    @rule(size=st.integers(1, 6), class_name=CLASS)
    def everybody_works(self, size: int, class_name: str) -> None:
        """Each annotator polls and labels what comes, so that rounds get on."""
        for who in range(len(self.annotators)):
            self.poll(who, size)
            self.label_all_held(who, class_name)

    @rule(who=WHO, item=ITEM, class_name=CLASS)
    def label_anything(self, who: int, item: int, class_name: str) -> None:
        self._label(who, [self._item(item)], class_name)

    @rule(which=st.integers(0, 40), class_name=CLASS)
    def label_again(self, which: int, class_name: str) -> None:
        if not self.standing:
            return
        annotator_id, item = sorted(self.standing)[which % len(self.standing)]
        self._label(self.annotators.index(annotator_id), [item], class_name)

    @rule(which=st.integers(0, 40))
    def undo(self, which: int) -> None:
        if not self.standing:
            return
        self._withdraw(*sorted(self.standing)[which % len(self.standing)])

    @rule(who=WHO, item=ITEM)
    def undo_anything(self, who: int, item: int) -> None:
        self._withdraw(self.annotators[who], self._item(item))

    @rule(who=WHO, item=ITEM)
    def skip(self, who: int, item: int) -> None:
        try:
            with transaction(self.factory) as session:
                submit_skips(
                    session,
                    self.project,
                    self.annotators[who],
                    [self._item(item)],
                    SkipReason.UNREADABLE,
                    self.settings,
                )
        except (AnnotatorPaused, ProjectNotAccepting):
            return

    @rule(name=st.sampled_from(NAMES), item=ITEM)
    def flag(self, name: str, item: int) -> None:
        who = self.annotators[NAMES.index(name)]
        try:
            with transaction(self.factory) as session:
                flag_items(session, self.project, who, [self._item(item)], "odd", self.settings)
        except (AnnotatorPaused, ProjectNotAccepting):
            return
