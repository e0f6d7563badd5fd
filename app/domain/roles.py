"""Roles, and the one table that says what each may do. The API and the pages both ask it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """ADMIN: of the whole service. LEAD: of a project. ANNOTATOR: labels. READER: only looks."""

    ADMIN = "admin"
    LEAD = "lead"
    ANNOTATOR = "annotator"
    READER = "reader"


class Right(StrEnum):
    """A kind of thing that a request does."""

    LABEL = "label"  # poll, label, skip, flag; see one's own items and progress
    READ = "read"  # see all of a project: items, labels, people, models
    LEAD = "lead"  # change a project, invite people
    SERVE = "serve"  # create projects and tokens: the whole service


RIGHTS: dict[Role, frozenset[Right]] = {
    Role.ADMIN: frozenset(Right),
    Role.LEAD: frozenset({Right.LABEL, Right.READ, Right.LEAD}),
    Role.ANNOTATOR: frozenset({Right.LABEL}),
    Role.READER: frozenset({Right.READ}),
}


@dataclass(frozen=True)
class Grant:
    """A role in one project, or, without one, in all of them."""

    role: Role
    project_id: int | None = None

    @property
    def rights(self) -> frozenset[Right]:
        """What it allows. An admin of one project is its lead."""
        is_narrow_admin = self.role is Role.ADMIN and self.project_id is not None
        return RIGHTS[Role.LEAD if is_narrow_admin else self.role]

    def reaches(self, project_id: int | None) -> bool:
        """Return whether it holds in this project; None: in the service as a whole."""
        return self.project_id in (None, project_id)


def rights_in(grants: Iterable[Grant], project_id: int | None) -> frozenset[Right]:
    """Return what these grants together allow in a project; None: in the whole service."""
    return frozenset().union(*(g.rights for g in grants if g.reaches(project_id)))
