"""A model's card: what it is, what it was trained on, how good it is, and where it ends."""

import json
from collections.abc import Iterable, Iterator, Sequence

from app.db.queries.classes import ClassCount
from app.db.tables import Model, Project
from app.domain.class_settings import offered_names
from app.domain.classification import Cell, Interval
from app.services.model_cards import ModelCard
from app.services.model_metrics import SplitMetrics

MOST_COLUMNS = 12  # of a confusion matrix; of more classes the largest confusions are listed
MOST_CONFUSIONS = 20
FEW_ITEMS = 30


def present_card(card: ModelCard) -> str:
    """Return the card as Markdown."""
    parts = [
        _head(card.model, card.project),
        _data(card),
        _labels(card.counts),
        *_metrics(card),
        _recipe(card.model),
        _cost(card.model),
        _limits(card),
        _hashes(card.model),
    ]
    return "\n\n".join(parts) + "\n"


def _head(model: Model, project: Project) -> str:
    of = f"round {model.round_number}" if model.round_number is not None else "the end of labeling"
    return (
        f"# {_plain(project.name)}: {model.role} model {model.id}\n\n"
        f"`{model.name}`, trained at {of} on {model.n_labeled:,} labels, "
        f"{model.created_at:%Y-%m-%d %H:%M} UTC."
    )


def _data(card: ModelCard) -> str:
    project = card.project
    rows = [
        ("items", project.modality),
        ("pool", f"{project.n_pool:,}"),
        ("evaluation split", f"{project.n_evaluation:,}"),
        ("set aside, because they cannot be read", f"{card.n_set_aside:,}"),
        ("classes", ", ".join(map(_plain, project.classes))),
    ]
    return "## Data\n\n" + _table(("", ""), rows)


def _labels(counts: Sequence[ClassCount]) -> str:
    by_round: dict[int | None, list[ClassCount]] = {}
    for count in counts:
        by_round.setdefault(count.round_number, []).append(count)
    rows = [
        (
            "imported" if number is None else f"annotators, round {number}",
            f"{sum(c.n for c in found):,}",
            f"{sum(c.n for c in found if c.is_control):,}",
            str(len({c.class_index for c in found})),
        )
        for number, found in sorted(by_round.items(), key=lambda e: -1 if e[0] is None else e[0])
    ]
    return "## Labels by now\n\n" + _table(("source", "labels", "drawn uniformly", "classes"), rows)


def _metrics(card: ModelCard) -> Iterator[str]:
    parts = {"evaluation split": card.metrics.evaluation, "control arm": card.metrics.control}
    for name, found in parts.items():
        if found is not None:
            yield _split(name, found, card.project.classes)
    if not any(parts.values()):
        yield "## Quality\n\nNot measured: there was neither an evaluation split nor a control arm."


def _split(name: str, found: SplitMetrics, names: Sequence[str]) -> str:
    rows = [
        (
            _plain(names[c.class_index]), f"{c.n:,}", _shown(c.precision), _shown(c.recall),
            _shown(c.f1),
        )
        for c in found.classes
    ]  # fmt: skip
    header = ("class", "items", "precision", "recall", "F1")
    return (
        f"## Quality on the {name}\n\n{found.n:,} items; 95% intervals. "
        f"Accuracy {_shown(found.accuracy)}, mean F1 {_shown(found.macro_f1)}.\n\n"
        f"{_table(header, rows)}\n\n{_confusion(found.cells, names)}"
    )


def _confusion(cells: Sequence[Cell], names: Sequence[str]) -> str:
    used = sorted({i for label, predicted, _ in cells for i in (label, predicted)})
    if len(used) > MOST_COLUMNS:
        wrong = sorted((c for c in cells if c[0] != c[1]), key=lambda c: -c[2])[:MOST_CONFUSIONS]
        rows = [(_plain(names[a]), _plain(names[b]), str(n)) for a, b, n in wrong]
        return "Largest confusions:\n\n" + _table(("label", "predicted", "items"), rows)
    counts = {(label, predicted): n for label, predicted, n in cells}
    matrix = [(_plain(names[a]), *(str(counts.get((a, b), 0)) for b in used)) for a in used]
    header = ("label \\ predicted", *(_plain(names[i]) for i in used))
    return "Confusion matrix:\n\n" + _table(header, matrix)


def _recipe(model: Model) -> str:
    facts = model.provenance
    named = f" (`{facts['recipe_name']}`)" if facts.get("recipe_name") else ""
    rows = [(key, str(facts[key])) for key in ("seed", "device_name", "torch", "numpy", "threads")
            if key in facts]  # fmt: skip
    recipe = json.dumps(model.recipe, indent=2, sort_keys=True)
    return f"## Recipe{named}\n\n```json\n{recipe}\n```\n\n{_table(('', ''), rows)}"


def _cost(model: Model) -> str:
    names = sorted(set(model.seconds) | set(model.cpu_seconds))
    rows = [
        (name, f"{model.seconds.get(name, 0):.2f}", f"{model.cpu_seconds.get(name, 0):.2f}")
        for name in names
    ]
    return "## Cost\n\n" + _table(("part", "seconds", "CPU seconds"), rows)


def _limits(card: ModelCard) -> str:
    model, found = card.model, card.metrics.evaluation
    limits = [str(note) for note in model.provenance.get("notes", ())]
    if model.stale:
        limits.append("Labels that it learned have changed since: it is stale.")
    if found is None:
        limits.append("No evaluation split measured it.")
    else:
        few = [_plain(card.project.classes[c.class_index]) for c in found.classes
               if c.n < FEW_ITEMS]  # fmt: skip
        if few:
            limits.append(f"Fewer than {FEW_ITEMS} evaluation items measure: {', '.join(few)}.")
    gone = set(card.project.classes) - set(
        offered_names(card.project.classes, card.project.class_settings)
    )
    if gone:
        limits.append(f"Classes that are no longer given: {', '.join(sorted(map(_plain, gone)))}.")
    limits.append(
        "It knows what the pool held: on items of another kind its probabilities mean little."
    )
    return "## Limits\n\n" + "\n".join(f"- {limit}" for limit in limits)


def _hashes(model: Model) -> str:
    rows = [("weights", model.weights_hash), ("recipe", model.recipe_hash)]
    if model.predictions_hash:
        rows.append(("predictions", model.predictions_hash))
    if model.provenance.get("pretrained_hash"):
        rows.append(("pretrained weights", model.provenance["pretrained_hash"]))
    return "## Hashes\n\n" + _table(("", "SHA-256"), [(a, f"`{b}`") for a, b in rows])


def _shown(found: Interval | None) -> str:
    return "-" if found is None else f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    """Return a name that cannot end its cell or mean anything in Markdown."""
    return "".join(f"\\{c}" if c in "\\|`*_<>[]#" else c for c in text)
