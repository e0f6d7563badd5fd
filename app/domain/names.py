"""Names of annotators, tokens, projects and classes: one rule for all of them.

White space around a name goes, white space within it is one blank, letters are composed (Unicode
NFC). Capitals count: tools name people by identifiers of their own, in which "Ab1" is not "aB1".
"""

import unicodedata
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from app.domain.errors import InvalidName

MAX_NAME = 200
JOINERS = "\u200c\u200d"  # join letters or not: some languages cannot be written without them
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # would make two names look like one


def normalised(name: str) -> str:
    """Return the name as it is stored and compared.

    Raises:
        InvalidName: it is blank, too long, or holds characters that nobody sees.
    """
    text = " ".join(unicodedata.normalize("NFC", name).split())
    seen = [c for c in text if c not in JOINERS]
    if not seen:
        raise InvalidName("A name is blank; give it at least one character.")
    if len(text) > MAX_NAME:
        raise InvalidName(f"A name has {len(text)} characters; at most {MAX_NAME} are taken.")
    if any(unicodedata.category(c) in INVISIBLE for c in seen):
        raise InvalidName("A name holds a control or invisible character; remove it.")
    return text


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME),
    AfterValidator(normalised),
]


def class_index(classes: Sequence[str], name: str) -> int | None:
    """Return the index of the class of this name, however it is written; None if there is none.

    Raises:
        Nothing: what is no name is no class either.
    """
    if name in classes:
        return classes.index(name)
    try:
        wanted = normalised(name)
    except InvalidName:
        return None
    return classes.index(wanted) if wanted in classes else None
