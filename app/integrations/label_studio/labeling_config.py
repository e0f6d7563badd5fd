"""Labeling configs: writes one for a project's classes, reads one, and compares the two.

The classes and the choices must be in one-to-one correspondence. A result names a choice by its
alias where it has one, else by its value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from app.domain.errors import LabelStudioClassesDiffer
from app.domain.names import class_index
from app.domain.quotes import listed

OBJECTS = {"text": ("Text", "HyperText"), "image": ("Image",)}
CONTROL = "class"
HOTKEYS = "1234567890qwertyuiopasdfghjklzxcvbnm"


@dataclass(frozen=True)
class OfferedClass:
    """A class as a config offers it."""

    name: str
    hint: str = ""


@dataclass(frozen=True)
class LabelingConfig:
    """What we need of a config.

    Attributes:
        control: name of its choices.
        shown: name of the text or image that they are about.
        data_key: the key of a task's data that holds that.
        answers: class name -> how a result names it.
    """

    control: str
    shown: str
    data_key: str
    answers: dict[str, str]

    def result_of(self, class_name: str) -> list[dict[str, Any]]:
        """Return the result by which Label Studio would say this class."""
        return [
            {
                "from_name": self.control,
                "to_name": self.shown,
                "type": "choices",
                "value": {"choices": [self.answers[class_name]]},
            }
        ]

    def answer_of(self, result: Sequence[Any]) -> str | None:
        """Return the choice of a result; None where it holds none.

        Raises:
            ValueError: it holds several.
        """
        chosen = [
            choice
            for part in result
            if isinstance(part, dict) and part.get("from_name") == self.control
            for choice in (part.get("value") or {}).get("choices") or ()
        ]
        if len(set(chosen)) > 1:
            raise ValueError(f"several choices: {listed(chosen)}")
        return str(chosen[0]) if chosen else None

    def class_of(self, answer: str) -> str | None:
        """Return the class that this choice stands for; None: it stands for none."""
        names = {given: name for name, given in self.answers.items()}
        return names.get(answer)


def write_config(modality: str, classes: Sequence[OfferedClass]) -> str:
    """Return the config of a new project: one choice among the classes, with hotkeys and hints."""
    view = ET.Element("View")
    shown = modality
    tag = OBJECTS[modality][0]
    attributes = {"name": shown, "value": f"${shown}"}
    if modality == "image":
        attributes |= {"zoom": "true", "zoomControl": "true"}
    ET.SubElement(view, tag, attributes)
    choices = ET.SubElement(
        view,
        "Choices",
        {"name": CONTROL, "toName": shown, "choice": "single", "showInLine": "true"},
    )
    for offered, hotkey in zip(classes, _hotkeys(classes), strict=True):
        choice = {"value": offered.name}
        if hotkey:
            choice["hotkey"] = hotkey
        if offered.hint:
            choice["hint"] = offered.hint
        ET.SubElement(choices, "Choice", choice)
    ET.indent(view)
    return ET.tostring(view, encoding="unicode")


def _hotkeys(classes: Sequence[OfferedClass]) -> list[str]:
    """Return a key for each class, "" where they run out; one called by a key has that key."""
    own = {c.name.lower() for c in classes if c.name.lower() in HOTKEYS and len(c.name) == 1}
    free = iter([key for key in HOTKEYS if key not in own])
    taken: set[str] = set()
    keys = []
    for offered in classes:
        name = offered.name.lower()
        key = name if name in own and name not in taken else next(free, "")
        taken.add(key)
        keys.append(key)
    return keys


def read_config(xml: str, modality: str, classes: Sequence[str]) -> LabelingConfig:
    """Return a config that offers exactly these classes of a text or image project.

    Raises:
        LabelStudioClassesDiffer: it does not; the sentence says what is different.
    """
    view = _parsed(xml)
    choices, shown = _control(view, modality)
    if choices.get("choice", "single") not in ("single", "single-radio"):
        raise _differs('its Choices take several answers; set choice="single"')
    if choices.get("value") or choices.get("dynamic"):
        raise _differs("its choices come with each task; write one Choice for each class")
    answers = _answers(choices, classes)
    value = shown.get("value") or ""
    data_key = value.removeprefix("$")
    if value == data_key or not data_key.isidentifier():
        raise _differs(f"its {shown.tag} shows {shown.get('value')!r}; let it show one key, $text")
    return LabelingConfig(choices.get("name", ""), shown.get("name", ""), data_key, answers)


def _parsed(xml: str) -> ET.Element:
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:  # may expand to any size
        raise _differs("it declares a document type; remove that")
    try:
        return ET.fromstring(xml)  # noqa: S314 - without declarations nothing expands
    except ET.ParseError as error:
        raise _differs(f"it is no XML ({error})") from None


def _control(view: ET.Element, modality: str) -> tuple[ET.Element, ET.Element]:
    """Return the Choices that answer, and the text or image that they are about."""
    shown = {
        element.get("name"): element for tag in OBJECTS[modality] for element in view.iter(tag)
    }
    found = [c for c in view.iter("Choices") if c.get("toName") in shown]
    if not found:
        tags = " or ".join(OBJECTS[modality])
        raise _differs(f"it has no Choices about a {tags}")
    if len(found) > 1:
        names = listed([c.get("name", "") for c in found])
        raise _differs(f"it has several Choices ({names}) where one answer is wanted")
    return found[0], shown[found[0].get("toName")]


def _answers(choices: ET.Element, classes: Sequence[str]) -> dict[str, str]:
    """Return class -> how a result names it."""
    answers: dict[str, str] = {}
    unknown = []
    for choice in choices.iter("Choice"):
        value, alias = choice.get("value", ""), choice.get("alias")
        index = None if alias is None else class_index(classes, alias)
        index = class_index(classes, value) if index is None else index
        if index is None:
            unknown.append(value if alias is None else f"{value} (alias {alias})")
        elif classes[index] in answers:
            raise _differs(f"two of its choices stand for {classes[index]!r}")
        else:
            answers[classes[index]] = alias or value
    missing = [name for name in classes if name not in answers]
    if missing or unknown:
        parts = []
        if missing:
            parts.append(f"it lacks {listed(missing)}")
        if unknown:
            parts.append(f"it offers {listed(unknown)}, which the project does not have")
        raise _differs("; ".join(parts))
    return answers


def _differs(what: str) -> LabelStudioClassesDiffer:
    return LabelStudioClassesDiffer(
        f"The labeling config in Label Studio does not fit the project: {what}. Change it there "
        "(Settings, Labeling Interface), or the classes here, and try again."
    )
