"""The process of a packing job, which yields to everything else on the machine."""

import os

from app.config import Settings
from workers.jobs.attempt import Attempt
from workers.jobs.job_process import serve_jobs
from workers.jobs.packing.job import PackingJob
from workers.jobs.packs import PackingStopped

NICENESS = 10


def prepare(_settings: Settings) -> None:
    """Lower this process's priority: annotators and imports come first."""
    os.nice(NICENESS)


if __name__ == "__main__":
    serve_jobs(
        Attempt,
        prepare,
        lambda attempt: PackingJob(attempt).run(),
        (PackingStopped,),
        may_go_on=lambda: False,
    )
