"""The kinds of events of a project, and how a webhook names those that it wants."""

from collections.abc import Mapping, Sequence

from app.domain.errors import WebhookInvalid
from app.domain.quotes import shown
from app.domain.states import JobState, ProjectState, RoundState

ALL = "*"
MOST_KINDS = 100
# Sent to one webhook alone, on request; no event of the project.
TEST = "webhook.test"
EVENTS: Mapping[str, str] = {
    "project.state_changed": "The project was started, paused, resumed, finished, cancelled.",
    "project.setting_changed": "A setting was changed.",
    "project.annotation_changed": "The settings of annotation were changed.",
    "project.pool_used_up": "Nothing is left to label, although the budget is not spent.",
    "project.stop_decided": "The stopping rule has ended labeling.",
    "project.archived": "The project was archived.",
    "project.restored": "The project was restored from the archive.",
    "round.created": "A round has begun.",
    "round.state_changed": "A round trains, selects, is labeled, is completed, or has failed.",
    "round.strategy_chosen": "The strategy `auto` has chosen one for a round.",
    "round.strategy_replaced": "A round selects by another strategy, and why.",
    "job.state_changed": "A job waits, runs, has succeeded, or has failed.",
    "consensus.computed": "Labels of several annotators were combined.",
    "analysis.published": "An analysis has its result.",
    "audit.below_threshold": "An audit has found fewer right labels than wanted.",
    "label.decided": "A lead or an adjudicator has decided an item's class.",
    "label.withdrawn": "A label was withdrawn.",
    "item.skipped": "An annotator has skipped an item.",
    "item.unskipped": "A skip was taken back: the item is handed out again.",
    "item.flagged": "An annotator has flagged an item, with a comment.",
    "item.corrected": "An item's content was corrected.",
    "item.requeued": "A labeled item is labeled again.",
    "item.reassigned": "An item was given to another annotator.",
    "item.second_opinion": "A second opinion on an item was asked for.",
    "items.classes_imported": "Classes of known items were imported.",
    "items.erased": "Items were erased.",
    "items.set_aside": "Items cannot be read and were set aside.",
    "items.taken_back": "Items that were set aside can be read again.",
    "gold.changed": "Items were made gold.",
    "gold.removed": "Items were removed from gold.",
    "annotator.paused": "An annotator was paused.",
    "annotator.resumed": "An annotator was resumed.",
    "annotator.flags_cleared": "The doubts about an annotator's labels were cleared.",
    "label_export.published": "A large export of labels can be downloaded.",
    "label_studio.connected": "The project was connected with Label Studio, or anew.",
    "label_studio.disconnected": "The connection with Label Studio was ended.",
    "features.brought": "Features were brought.",
    "class.added": "A class was added.",
    "class.renamed": "A class was renamed.",
    "class.described": "A class has another hint.",
    "class.reordered": "The classes have another order.",
    "class.merged": "A class was merged into another.",
    "class.retired": "A class was retired.",
    "webhook.created": "A webhook was created.",
    "webhook.changed": "A webhook was changed.",
    "webhook.secret_changed": "A webhook's messages are signed by a new secret.",
    "webhook.deleted": "A webhook was deleted.",
    "webhook.disabled": "A webhook was disabled, because its receiver is gone or fails for days.",
}
STATES: Mapping[str, Sequence[str]] = {
    "project.state_changed": [state.value for state in ProjectState],
    "round.state_changed": [state.value for state in RoundState],
    "job.state_changed": [state.value for state in JobState],
}


def checked_kinds(kinds: Sequence[str]) -> list[str]:
    """Return the kinds that a webhook wants, each once.

    `*` is all events, `item.*` those of a noun, `item.flagged` one, and
    `round.state_changed:completed` a change to that state alone.

    Raises:
        WebhookInvalid: there are no such events, or none is named.
    """
    if not kinds:
        raise WebhookInvalid('Name the events that the webhook wants; ["*"] is all of them.')
    if len(kinds) > MOST_KINDS:
        raise WebhookInvalid(f"Name at most {MOST_KINDS} kinds of events; `*` is all of them.")
    for kind in kinds:
        if kind not in KINDS:
            raise WebhookInvalid(
                f"There is no event {shown(kind)}. Name `*`, a noun as in `round.*`, one of "
                f"{', '.join(EVENTS)}, or a change to one state as in "
                "`round.state_changed:completed`."
            )
    return list(dict.fromkeys(kinds))


def kinds_of(name: str, facts: Mapping[str, object]) -> list[str]:
    """Return every kind under which an event can be wanted."""
    to = [f"{name}:{facts['to']}"] if "to" in facts else []
    return [ALL, f"{name.partition('.')[0]}.*", name, *to]


def _kinds() -> frozenset[str]:
    nouns = {f"{name.partition('.')[0]}.*" for name in EVENTS}
    to_states = {f"{name}:{state}" for name, states in STATES.items() for state in states}
    return frozenset({ALL, *nouns, *EVENTS, *to_states})


KINDS = _kinds()
