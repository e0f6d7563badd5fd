"""Changes a project's classes while it runs: each change is an event, and can be tried first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import annotators, events, projects
from app.db.queries import class_changes as queries
from app.db.tables import Project
from app.domain.class_settings import class_settings, offered_names
from app.domain.errors import InvalidProject, ProjectNotAccepting
from app.domain.names import class_index, normalised
from app.domain.quotes import listed, shown
from app.services.answers import ITEMS_AT_ONCE, NOBODY, read_answers
from app.services.consensus import resolve_item, resolve_open_items
from app.services.imported_labels import settle_class
from app.services.items import IMPORTABLE_STATES
from app.services.leases import after_freeing, release_expired

MAX_HINT = 2000


class ClassChangeKind(StrEnum):
    """What is done to a class."""

    ADD = "add"
    RENAME = "rename"
    DESCRIBE = "describe"
    REORDER = "reorder"
    MERGE = "merge"
    RETIRE = "retire"


@dataclass(frozen=True)
class ClassChange:
    """A change that is asked for.

    Attributes:
        kind: of the change.
        name: of the class; to add, the new one.
        to: its new name, or the class that it becomes part of.
        hint: for annotators; "" removes it.
        names: all offered classes in the order wanted.
    """

    kind: ClassChangeKind
    name: str = ""
    to: str = ""
    hint: str = ""
    names: Sequence[str] = ()


@dataclass
class ClassEffects:
    """What a change does: how much names the class, and sentences that say what becomes of it."""

    n_labels: int = 0
    n_labeled: int = 0
    n_imported: int = 0
    n_evaluation: int = 0
    n_gold: int = 0
    n_models: int = 0
    sentences: list[str] = field(default_factory=list)


def change_classes(
    session: Session, project_id: int, change: ClassChange, settings: Settings, *, tries: bool
) -> tuple[Project, ClassEffects]:
    """Change the classes; return the project and what the change does. `tries`: only say that.

    Raises:
        InvalidProject: there is no such class, or a name is taken.
        ProjectNotAccepting: labeling has ended.
    """
    project = projects.lock(session, project_id)
    if project.state not in IMPORTABLE_STATES:
        raise ProjectNotAccepting(
            f"Project {project_id} is {project.state}: its classes stay as they are. Reopen it to "
            "go on with others."
        )
    effects, apply = _PLANS[change.kind](session, project, change)
    if tries:
        return project, effects
    release_expired(session, project, settings)
    apply(settings)
    asked = {key: value for key, value in vars(change).items() if value and key != "kind"}
    counts = {key: value for key, value in vars(effects).items() if key != "sentences"}
    name = f"class.{_PAST[change.kind]}"
    events.append(session, project_id, name, {**asked, "effects": counts})
    after_freeing(session, project, settings)
    return project, effects


Apply = Callable[[Settings], None]
Plan = Callable[[Session, Project, ClassChange], tuple[ClassEffects, Apply]]


def _add(session: Session, project: Project, change: ClassChange) -> tuple[ClassEffects, Apply]:
    name = _new_name(project, change.name)
    effects = ClassEffects(n_models=queries.n_models(session, project.id))
    effects.sentences = [
        f"Labels, items and imports may name {shown(name)} from now on.",
        f"{effects.n_models} models do not know it; the next training does, once it has labels.",
    ]

    def apply(_settings: Settings) -> None:
        project.classes = [*project.classes, name]
        _set_hint(project, len(project.classes) - 1, change.hint)

    return effects, apply


def _rename(session: Session, project: Project, change: ClassChange) -> tuple[ClassEffects, Apply]:
    index = _known(project, change.name)
    name = normalised(change.to)
    if name != project.classes[index]:
        name = _new_name(project, change.to)
    effects = _counts(session, project, index)
    effects.n_models = 0
    renamed = f"{shown(project.classes[index])} is called {shown(name)}"
    effects.sentences = [
        f"{renamed}; labels, gold and models stay right.",
        "Stored model files keep the old name.",
    ]

    def apply(_settings: Settings) -> None:
        project.classes = [name if i == index else x for i, x in enumerate(project.classes)]

    return effects, apply


def _describe(
    _session: Session, project: Project, change: ClassChange
) -> tuple[ClassEffects, Apply]:
    index = _known(project, change.name)
    if len(change.hint) > MAX_HINT:
        raise InvalidProject(f"A hint has at most {MAX_HINT} characters; shorten it.")
    effects = ClassEffects(sentences=["Annotators see the hint; labels and models stay."])
    return effects, lambda _settings: _set_hint(project, index, change.hint)


def _reorder(
    _session: Session, project: Project, change: ClassChange
) -> tuple[ClassEffects, Apply]:
    offered = offered_names(project.classes, project.class_settings)
    wanted = [normalised(name) for name in change.names]
    if sorted(wanted) != sorted(offered):
        raise InvalidProject(f"names: give each class once: {listed(offered)}.")
    order = [project.classes.index(name) for name in wanted]

    def apply(_settings: Settings) -> None:
        known = class_settings(project.class_settings)
        project.class_settings = replace(known, order=order).to_json()

    sentence = "Annotators see the classes in this order; labels and models stay."
    return ClassEffects(sentences=[sentence]), apply


def _merge(session: Session, project: Project, change: ClassChange) -> tuple[ClassEffects, Apply]:
    old, new = _offered(project, change.name), _offered(project, change.to)
    if old == new:
        raise InvalidProject("to: name another class to merge it into.")
    _check_two_are_left(project)
    effects = _counts(session, project, old)
    target = shown(project.classes[new])
    n_items = effects.n_labeled + effects.n_imported
    effects.sentences = [
        f"{effects.n_labels} labels and {n_items} labeled items become {target}.",
        f"So do {effects.n_evaluation} evaluation and {effects.n_gold} gold items.",
        f"{effects.n_models} models that learned the class become stale.",
        f"Who names {shown(project.classes[old])} from now on means {target}. It cannot be undone.",
    ]

    def apply(settings: Settings) -> None:
        queries.rename_index(session, project, old, new)
        known = class_settings(project.class_settings)
        merged = {**known.merged, str(old): new}
        retired = sorted({*known.retired, old})
        project.class_settings = replace(known, merged=merged, retired=retired).to_json()
        session.flush()
        _resolve_again(session, project, new, settings)

    return effects, apply


def _retire(session: Session, project: Project, change: ClassChange) -> tuple[ClassEffects, Apply]:
    index = _offered(project, change.name)
    _check_two_are_left(project)
    effects = _counts(session, project, index)
    effects.n_models = 0
    effects.sentences = [
        f"No label, import or gold may name {shown(project.classes[index])} any more.",
        f"{effects.n_labels} labels of it stay and count.",
        f"So do {effects.n_evaluation} evaluation and {effects.n_gold} gold items.",
        "Merge it into another class to change them.",
    ]

    def apply(_settings: Settings) -> None:
        known = class_settings(project.class_settings)
        retired = sorted({*known.retired, index})
        project.class_settings = replace(known, retired=retired).to_json()

    return effects, apply


_PLANS: dict[ClassChangeKind, Plan] = {
    ClassChangeKind.ADD: _add,
    ClassChangeKind.RENAME: _rename,
    ClassChangeKind.DESCRIBE: _describe,
    ClassChangeKind.REORDER: _reorder,
    ClassChangeKind.MERGE: _merge,
    ClassChangeKind.RETIRE: _retire,
}
_PAST = {
    ClassChangeKind.ADD: "added",
    ClassChangeKind.RENAME: "renamed",
    ClassChangeKind.DESCRIBE: "described",
    ClassChangeKind.REORDER: "reordered",
    ClassChangeKind.MERGE: "merged",
    ClassChangeKind.RETIRE: "retired",
}


def _counts(session: Session, project: Project, index: int) -> ClassEffects:
    n_labeled, n_imported = queries.n_resolved(session, project.id, index)
    return ClassEffects(
        n_labels=queries.n_labels(session, project.id, index),
        n_labeled=n_labeled,
        n_imported=n_imported,
        n_evaluation=queries.n_evaluation(session, project.id, index),
        n_gold=queries.n_gold(session, project.id, index),
        n_models=queries.n_models(session, project.id, index),
    )


def _set_hint(project: Project, index: int, hint: str) -> None:
    known = class_settings(project.class_settings)
    hints = {key: value for key, value in known.hints.items() if key != str(index)}
    if hint.strip():
        hints[str(index)] = hint.strip()
    project.class_settings = replace(known, hints=hints).to_json()


def _new_name(project: Project, name: str) -> str:
    wanted = normalised(name)
    if wanted in project.classes:
        raise InvalidProject(f"A class is or was called {shown(wanted)}; take another name.")
    return wanted


def _known(project: Project, name: str) -> int:
    index = class_index(project.classes, name)
    if index is None:
        raise InvalidProject(
            f"There is no class {shown(name)}; use one of {listed(project.classes)}."
        )
    return index


def _offered(project: Project, name: str) -> int:
    index = _known(project, name)
    if index in class_settings(project.class_settings).retired:
        raise InvalidProject(f"The class {shown(name)} was retired or merged before.")
    return index


def _check_two_are_left(project: Project) -> None:
    if len(offered_names(project.classes, project.class_settings)) < 3:
        raise InvalidProject("A project needs two classes; add another one first.")


def _resolve_again(session: Session, project: Project, index: int, settings: Settings) -> None:
    """Let labels count that agree by now: of open items, and of labeled ones of the class."""
    resolve_open_items(session, project, settings)
    settle_class(session, project, index)
    item_ids = queries.disagreeing_items(session, project.id, index)
    paused = annotators.paused(session, project.id)
    for start in range(0, len(item_ids), ITEMS_AT_ONCE):
        part = item_ids[start : start + ITEMS_AT_ONCE]
        answers = read_answers(session, project, NOBODY, part, settings, paused)
        for item_id in part:
            resolve_item(answers, item_id)
        answers.write()
