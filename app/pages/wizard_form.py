"""The form of a new project: what it proposes for files, and what was filled in."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pydantic import ValidationError
from starlette.datastructures import FormData

from app.domain.errors import DomainError
from app.imports.found import FIELDS
from app.schemas.projects import DEFAULT_PROXY, DEFAULT_TARGET, ProjectCreate
from app.services.import_previews import Preview, StoredFile
from models.catalog import Modality, ModelInfo, find_model, models_for
from selection.catalog import Purpose, Signal, StrategyInfo, find_strategy, known_strategies

HASH = re.compile(r"[0-9a-f]{64}")
MOST_PROPOSED = 1000
FEWEST_LABELED = 50  # of which a part measures the models
EVALUATION_SHARE = 0.2
CONTROL_FRACTION = 0.1
SECONDS_PER_LABEL = {"text": 8, "image": 4}
ALL_CLASSES = 200  # more are surely no classes but a column of something else
NEEDS = {
    Signal.PROBS: "a proxy's probabilities",
    Signal.FEATURES: "a proxy's features",
    Signal.ACCURACY: "a measured accuracy",
    Signal.FORGETTING_COUNTS: "how often a training forgets an item",
}
USUAL_STRATEGIES = ("least_confidence", "margin", "badge", "uniform")
USUAL_MODELS = {
    Modality.TEXT: ("tfidf", "fasttext", "vdcnn9"),
    Modality.IMAGE: ("preact8", "preact20", "preact56", "resnet18", "resnet50"),
}


class WizardForm:
    """The filled-in form."""

    def __init__(self, form: FormData) -> None:
        self._form = form

    def text(self, name: str, default: str = "") -> str:
        """Return a field's text."""
        value = self._form.get(name)
        return value.strip() if isinstance(value, str) else default

    @property
    def files(self) -> list[StoredFile]:
        """The stored files that the form names."""
        found = []
        for value in self._form.getlist("file"):
            digest, _, name = str(value).partition(" ")
            if HASH.fullmatch(digest):
                found.append(StoredFile(name[:500] or "file", digest))
        return found

    @property
    def columns(self) -> dict[str, str]:
        """Column -> field, of those that were mapped."""
        names = [str(name) for name in self._form.getlist("column")]
        fields = [str(field) for field in self._form.getlist("field")]
        pairs = zip(names, fields, strict=False)
        return {name: field for name, field in pairs if field in FIELDS}

    @property
    def classes(self) -> list[str]:
        """One class a line."""
        return [line.strip() for line in self.text("classes").splitlines() if line.strip()]

    @property
    def evaluation_share(self) -> float:
        """Share of the labeled items that measure the models."""
        return min(0.9, max(0.0, _number(self.text("evaluation_percent", "0")) / 100))

    def wanted(self) -> ProjectCreate:
        """Return the project.

        Raises:
            ValidationError: a field is missing or not what it should be.
        """
        round_budget = self.text("round_budget")
        annotation: dict[str, Any] = {}
        gold = _number(self.text("gold_percent", "0"))
        if gold:
            annotation["gold_fraction"] = gold / 100
        selection: dict[str, Any] = {}
        if self.text("control"):
            selection["control_fraction"] = CONTROL_FRACTION
        given = {
            "name": self.text("name"),
            "modality": self.text("modality"),
            "classes": self.classes,
            "proxy": {"model": self.text("proxy")},
            "target": {"model": self.text("target")},
            "strategy": self.text("strategy"),
            "initial_budget": round_budget,
            "round_budget": round_budget,
            "total_budget": self.text("total_budget"),
            "labels_per_item": self.text("labels_per_item", "1"),
            "annotation": annotation,
            "selection": selection,
        }
        return ProjectCreate.model_validate(given)


def explained(error: Exception) -> str:
    """Return in a sentence what is wrong with a form."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        place = " ".join(str(part) for part in first["loc"]).replace("_", " ")
        return f"{place.capitalize()}: {first['msg']}."
    return error.detail if isinstance(error, DomainError) else str(error)


@dataclass(frozen=True)
class Choice:
    """A model or a strategy to choose: its name, a sentence, and what it needs."""

    name: str
    title: str
    description: str
    needs: str


@dataclass(frozen=True)
class Draft:
    """The form as it is shown: the files, proposals where nothing was filled in, and choices."""

    files: Sequence[StoredFile]
    modality: str
    n_unlabeled: int
    n_labeled: int
    values: Mapping[str, str]
    strategies: Sequence[Choice]
    more_strategies: Sequence[Choice]
    models: Sequence[Choice]
    more_models: Sequence[Choice]
    seconds_per_label: int
    control_percent: int = round(100 * CONTROL_FRACTION)


def draft_of(
    preview: Preview, files: Sequence[StoredFile], form: WizardForm | None = None
) -> Draft:
    """Return the form for these files; what was filled in stays."""
    survey = preview.survey
    modality = "image" if survey.n_images > survey.n_texts else "text"
    n_labeled = sum(map(len, survey.labeled.values()))
    n_unlabeled = max(0, survey.n_items - n_labeled - survey.splits["evaluation"])
    values = _proposal(preview, files, modality, n_unlabeled, n_labeled)
    if form is not None:
        kept = {name: form.text(name, value) for name, value in values.items()}
        values = {**kept, "control": form.text("control")}
        if not form.text("classes"):
            values["classes"] = _classes_of(preview)
    kind = Modality(modality)
    usual = USUAL_MODELS[kind]
    return Draft(
        files=files,
        modality=modality,
        n_unlabeled=n_unlabeled,
        n_labeled=n_labeled,
        values=values,
        strategies=[_of_strategy(find_strategy(name)) for name in USUAL_STRATEGIES],
        more_strategies=[
            _of_strategy(find_strategy(name))
            for name in known_strategies(Purpose.BATCH)
            if name not in USUAL_STRATEGIES
        ],
        models=[_of_model(find_model(name)) for name in usual],
        more_models=[_of_model(find_model(n)) for n in models_for(kind) if n not in usual],
        seconds_per_label=SECONDS_PER_LABEL[modality],
    )


def _proposal(
    preview: Preview, files: Sequence[StoredFile], modality: str, n_unlabeled: int, n_labeled: int
) -> dict[str, str]:
    total = min(n_unlabeled, max(20, min(MOST_PROPOSED, n_unlabeled // 4)))
    has_evaluation = preview.survey.splits["evaluation"] > 0
    draws = n_labeled >= FEWEST_LABELED and not has_evaluation
    return {
        "name": PurePosixPath(files[0].name).stem[:100] if files else "",
        "classes": _classes_of(preview),
        "total_budget": str(max(1, total)),
        "round_budget": str(max(1, math.ceil(total / 10))),
        "labels_per_item": "1",
        "gold_percent": "0",
        "evaluation_percent": str(round(100 * EVALUATION_SHARE)) if draws else "0",
        "control": "" if has_evaluation or draws else "on",
        "strategy": "least_confidence",
        "proxy": DEFAULT_PROXY[Modality(modality)],
        "target": DEFAULT_TARGET[Modality(modality)],
    }


def _classes_of(preview: Preview) -> str:
    names = sorted(preview.survey.classes)
    return "\n".join(names) if len(names) <= ALL_CLASSES else ""


def _of_strategy(info: StrategyInfo) -> Choice:
    needs = ", ".join(NEEDS[need] for need in sorted(info.needs))
    return Choice(info.name, info.title, info.description, needs or "nothing: no model")


def _of_model(info: ModelInfo) -> Choice:
    return Choice(
        info.name, info.title, info.description, f"reads {info.encoding}".replace("_", " ")
    )


def _number(text: str) -> float:
    try:
        value = float(text or 0)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0
