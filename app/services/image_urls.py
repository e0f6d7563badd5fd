"""Signed image URLs: a browser may open them without a token, for a short time.

They name project and item, never where the bytes are. Access is checked when a URL is made;
whoever has the URL may open it until it expires.
"""

import time
from dataclasses import dataclass

from app.domain.errors import ImageUrlExpired, ImageUrlInvalid
from app.domain.signatures import is_signed, signature_of

PURPOSE = "image_url"


@dataclass(frozen=True)
class ImageUrls:
    """Makes and checks the addresses.

    Attributes:
        key: that signs them.
        lasting_seconds: the longest time that a URL works; it works for at least half of that.
        root_path: path of the service behind a proxy, e.g. "/svp".
    """

    key: bytes
    lasting_seconds: int
    root_path: str = ""

    def of(self, project_id: int, item_id: int) -> str:
        """Return the item's URL; it stays the same for a while, so that browsers can cache."""
        step = max(1, self.lasting_seconds // 2)
        expires = (int(time.time()) // step + 2) * step
        signature = signature_of(self.key, project_id, item_id, expires)
        path = f"{self.root_path}/api/v1/projects/{project_id}/items/{item_id}/image"
        return f"{path}?expires={expires}&signature={signature}"

    def check(self, project_id: int, item_id: int, expires: int, signature: str) -> None:
        """Check that `of` gave this address and that it has not expired.

        Raises:
            ImageUrlInvalid: it did not.
            ImageUrlExpired: it has.
        """
        if not is_signed(signature, self.key, project_id, item_id, expires):
            raise ImageUrlInvalid(
                "The signature does not fit this address; take image_url from next-batch as it is."
            )
        if expires <= time.time():
            raise ImageUrlExpired("This address has expired; ask next-batch for a new one.")
