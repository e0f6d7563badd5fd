"""Tokens as the API and pages show them."""

from app.db.tables import Token
from app.schemas.tokens import TokenOut


def present_token(token: Token, name: str) -> TokenOut:
    """Return the token without its secret."""
    own = {c: getattr(token, c) for c in TokenOut.model_fields if c != "name"}
    return TokenOut.model_validate({"name": name, **own})
