"""Settings: read from the environment, handed to child processes, unknown ones refused."""

from pathlib import Path

import pytest
from kombu.utils.url import url_to_parts
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from app.config import Settings, default_data_folder, make_settings, read_settings


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


class TestInjectedVariables:
    def test_those_of_a_cluster_are_no_settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {
            "SVP_PORT": "tcp://10.0.0.1:8000",
            "SVP_SERVICE_HOST": "10.0.0.1",
            "SVP_SERVICE_PORT": "8000",
            "SVP_SERVICE_PORT_HTTP": "8000",
            "SVP_PORT_8000_TCP": "tcp://10.0.0.1:8000",
            "SVP_PORT_8000_TCP_PROTO": "tcp",
            "SVP_PORT_8000_TCP_ADDR": "10.0.0.1",
            "SVP_API_SERVICE_HOST": "10.0.0.2",
            "SVP_API_PORT": "tcp://10.0.0.2:80",
        }.items():
            monkeypatch.setenv(name, value)
        assert read_settings().port == 8000

    def test_a_port_in_their_place_is_a_setting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SVP_PORT", "8123")
        assert read_settings().port == 8123
        monkeypatch.setenv("SVP_API_PORT", "8123")
        with pytest.raises(ValueError, match="Unknown setting SVP_API_PORT"):
            read_settings()


def test_wrong_setting_is_one_sentence_without_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SVP_WORKER_THREADS", "secret")
    with pytest.raises(ValueError, match=r"^A setting .*SVP_WORKER_THREADS: .*") as refusal:
        read_settings()
    assert "secret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)
    with pytest.raises(ValueError, match="SVP_PORT"):
        make_settings(port=70000)


def test_passwords_may_hold_any_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    password = "a/b:c@d%$ #?[ü"  # noqa: S105 - of nothing
    monkeypatch.setenv("SVP_DATABASE_URL", "postgresql://svp:old@[::1]:5432/svp?sslmode=require")
    monkeypatch.setenv("SVP_DATABASE_PASSWORD", password)
    monkeypatch.setenv("SVP_BROKER_URL", "redis://redis:6379/0")
    monkeypatch.setenv("SVP_BROKER_PASSWORD", password)
    settings = read_settings()
    assert settings.database_url is not None
    url = make_url(settings.database_url.get_secret_value())
    assert (url.username, url.password, url.host, url.port) == ("svp", password, "::1", 5432)
    assert url.query == {"sslmode": "require"}
    assert settings.broker_url is not None
    broker = url_to_parts(settings.broker_url.get_secret_value())
    assert (broker.hostname, broker.password, broker.path) == ("redis", password, "0")
    for name, value in settings.to_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SVP_DATABASE_PASSWORD")
    monkeypatch.delenv("SVP_BROKER_PASSWORD")
    assert read_settings() == settings


def test_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 54321)
    monkeypatch.setattr(Path, "home", _no_home)
    with pytest.raises(ValueError, match="set SVP_DATA_FOLDER"):
        default_data_folder()


def _no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")
