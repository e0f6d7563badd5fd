"""Passwords of the database and the broker, which may be given apart from their URLs."""

from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import SecretStr


def with_password(url: object, password: object) -> str:
    """Return the URL with this password in place of any that it holds."""
    parts = urlsplit(_revealed(url))
    user_info, _, address = parts.netloc.rpartition("@")
    user = user_info.split(":", 1)[0]
    secret = quote(_revealed(password), safe="")
    return urlunsplit(parts._replace(netloc=f"{user}:{secret}@{address}"))


def _revealed(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
