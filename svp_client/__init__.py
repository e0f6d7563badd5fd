"""The Python client of the labeling service: `Client`, and `AsyncClient` for asyncio.

from svp_client import Client

with Client("http://127.0.0.1:8000", token) as client:
    batch = client.next_batch(1, size=5)
    labels = [{"item_id": item["item_id"], "class": "positive"} for item in batch["items"]]
    client.submit_labels(1, labels)
"""

from svp_client.async_client import AsyncClient
from svp_client.client import Client
from svp_client.errors import ClientError
from svp_client.retries import Retries

__all__ = ["AsyncClient", "Client", "ClientError", "Retries"]
