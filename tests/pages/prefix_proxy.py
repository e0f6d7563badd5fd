"""A proxy that serves a service below a path, and takes the path off before it asks."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade"}


class PrefixProxy:
    """The proxy.

    Attributes:
        url: address of the service behind it, with the prefix.
        astray: paths outside the prefix that somebody asked for.
    """

    def __init__(self, prefix: str, port: int) -> None:
        self.prefix = prefix
        self.astray: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                proxy.pass_on(self, port)

            def do_POST(self) -> None:
                proxy.pass_on(self, port)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}{prefix}"

    def pass_on(self, handler: BaseHTTPRequestHandler, port: int) -> None:
        """Ask the service, and send what it answers as it comes."""
        if not handler.path.startswith(f"{self.prefix}/"):
            self.astray.append(handler.path)
            handler.send_error(404)
            return
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        connection = http.client.HTTPConnection("127.0.0.1", port)
        path = handler.path.removeprefix(self.prefix)
        connection.request(handler.command, path, body, dict(handler.headers))
        answer = connection.getresponse()
        handler.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                handler.send_header(name, value)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        while block := answer.read1(65536):
            try:
                handler.wfile.write(block)
                handler.wfile.flush()
            except OSError:  # whoever asked has left
                break
        connection.close()


@contextmanager
def serve_below(prefix: str, port: int) -> Iterator[PrefixProxy]:
    """Yield a proxy at a port of its own to the service on this port."""
    proxy = PrefixProxy(prefix, port)
    thread = threading.Thread(target=proxy.server.serve_forever)
    thread.start()
    yield proxy
    proxy.server.shutdown()
    thread.join()
    proxy.server.server_close()
