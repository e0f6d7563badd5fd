"""Settings: read from the environment, handed to child processes, unknown ones refused."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from app.config import Settings, read_settings


def test_child_reads_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        data_folder=tmp_path,
        database_url=SecretStr("postgresql://svp:secret@host/svp"),
        annotation_lease_seconds=7.5,
        image_roots=("/photos", "s3://bucket/photos"),
    )
    for name, value in settings.to_environment().items():
        monkeypatch.setenv(name, value)
    assert read_settings() == settings


def test_unknown_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SVP_ANOTATION_LEASE_SECONDS", "5")
    with pytest.raises(ValueError, match="SVP_ANOTATION_LEASE_SECONDS"):
        read_settings()
