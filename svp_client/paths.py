"""Paths of the API below /api/v1, one function per noun."""

from urllib.parse import quote

PROJECTS = "/projects"
DELETED_PROJECTS = "/deleted-projects"
TOKENS = "/tokens"


def token(token_id: int) -> str:
    """Return the path of a token."""
    return f"{TOKENS}/{token_id}"


def project(project_id: int, rest: str = "") -> str:
    """Return the path of a project, or of a resource below it."""
    return f"{PROJECTS}/{project_id}{rest}"


def items(project_id: int, rest: str = "") -> str:
    """Return the path of a project's items."""
    return project(project_id, f"/items{rest}")


def set_aside(project_id: int, rest: str = "") -> str:
    """Return the path of the items that are set aside."""
    return project(project_id, f"/set-aside{rest}")


def labels(project_id: int, rest: str = "") -> str:
    """Return the path of a project's labels."""
    return project(project_id, f"/labels{rest}")


def label_exports(project_id: int, rest: str = "") -> str:
    """Return the path of a project's exports of labels."""
    return project(project_id, f"/label-exports{rest}")


def leases(project_id: int, rest: str) -> str:
    """Return the path of an action on an annotator's leases."""
    return project(project_id, f"/leases{rest}")


def flags(project_id: int, rest: str = "") -> str:
    """Return the path of a project's flags."""
    return project(project_id, f"/flags{rest}")


def annotators(project_id: int) -> str:
    """Return the path of a project's annotators."""
    return project(project_id, "/annotators")


def annotator(project_id: int, name: str, rest: str) -> str:
    """Return the path of an action on one annotator."""
    return f"{annotators(project_id)}/{quote(name, safe='')}{rest}"


def members(project_id: int) -> str:
    """Return the path of a project's members."""
    return project(project_id, "/members")


def member(project_id: int, name: str, rest: str = "") -> str:
    """Return the path of a member, or of an action on one."""
    return f"{members(project_id)}/{quote(name, safe='')}{rest}"


def invitations(project_id: int, rest: str = "") -> str:
    """Return the path of a project's invitations."""
    return project(project_id, f"/invitations{rest}")


def gold(project_id: int, rest: str = "") -> str:
    """Return the path of a project's gold items."""
    return project(project_id, f"/gold{rest}")


def rounds(project_id: int, rest: str = "") -> str:
    """Return the path of a project's rounds."""
    return project(project_id, f"/rounds{rest}")


def jobs(project_id: int, rest: str = "") -> str:
    """Return the path of a project's jobs."""
    return project(project_id, f"/jobs{rest}")


def models(project_id: int, rest: str = "") -> str:
    """Return the path of a project's models."""
    return project(project_id, f"/models{rest}")


def label_errors(project_id: int, rest: str = "") -> str:
    """Return the path of a project's searches for label errors."""
    return project(project_id, f"/label-errors{rest}")


def core_sets(project_id: int, rest: str = "") -> str:
    """Return the path of a project's core-sets."""
    return project(project_id, f"/core-sets{rest}")


def label_studio(project_id: int, rest: str = "") -> str:
    """Return the path of a project's connection to Label Studio."""
    return project(project_id, f"/label-studio{rest}")


def webhooks(project_id: int, rest: str = "") -> str:
    """Return the path of a project's webhooks."""
    return project(project_id, f"/webhooks{rest}")


def imports(project_id: int, rest: str = "") -> str:
    """Return the path of a project's imports."""
    return project(project_id, f"/imports{rest}")
