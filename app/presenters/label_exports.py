"""Exports of labels that a job writes, as the API and pages show them."""

from app.db.tables import Job, LabelExport
from app.presenters.jobs import present_with_job
from app.schemas.label_exports import LabelExportOut


def present_label_export(export: LabelExport, job: Job) -> LabelExportOut:
    """Return the export with the address of its file, as long as there is one."""
    path = f"/api/v1/projects/{export.project_id}/label-exports/{export.id}/file"
    return present_with_job(
        LabelExportOut,
        export,
        job,
        sha256=export.file_hash or None,
        url=path if export.file_hash else None,
    )
