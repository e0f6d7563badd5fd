"""The protocol of supervisor and child.

The supervisor writes a line with a job, or `stop`. The child ends with an exit code, or, where it
can do another job, writes READY to the pipe whose file descriptor the environment names.
"""

import json
from uuid import UUID

from app.db.tables import JobKind
from app.services.jobs import ClaimedJob

DONE, STOPPED, FENCED, FAILED = 0, 75, 76, 1
STOP_LINE = "stop\n"
READY = b"ready\n"
READY_FD = "JOB_READY_FD"


def claimed_to_line(claimed: ClaimedJob) -> str:
    """Return the line that hands a claimed job to a child."""
    values = {**vars(claimed), "token": str(claimed.token)}
    return json.dumps(values) + "\n"


def claimed_from_line(line: str) -> ClaimedJob:
    """Return the job that `claimed_to_line` wrote."""
    values = json.loads(line)
    values["token"] = UUID(values["token"])
    values["kind"] = JobKind(values["kind"])
    return ClaimedJob(**values)
