"""An images endpoint that costs little: ready bodies over TLS, at the rate that is asked for.

Threads and blocking sockets, so that `last_byte_at` is the moment the kernel took the last byte.
"""

import json
import socket
import socketserver
import ssl
import sys
import threading
import time
from typing import Any

from tests.benchmarks.orders import Order
from tests.benchmarks.replies import body

#: Where it hands out tokens, as the platform does to a managed identity.
IDENTITY = "/identity/token"
_TOKEN = json.dumps(
    {
        "access_token": "a-token",
        "expires_on": "4102444800",
        "resource": "https://storage.azure.com",
        "token_type": "Bearer",
    }
).encode()
#: When each job's request was in, and when the last byte of its reply went out.
_LOG: dict[str, dict[str, float]] = {}


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while request := self._request():
            path, sent = request
            if path == "/log":
                log = json.dumps(_LOG).encode()
                _LOG.clear()
                self._head(len(log), "application/json")
                self.connection.sendall(log)
            elif path.startswith(IDENTITY):
                self._head(len(_TOKEN), "application/json")
                self.connection.sendall(_TOKEN)
            else:
                self._answer(json.loads(sent))

    def _request(self) -> tuple[str, bytes] | None:
        line = self.rfile.readline()
        if not line:
            return None
        length = 0
        while (header := self.rfile.readline()) not in {b"\r\n", b""}:
            name, _, value = header.lower().partition(b":")
            if name == b"content-length":
                length = int(value)
        return line.split()[1].decode(), self.rfile.read(length)

    def _answer(self, asked: dict[str, Any]) -> None:
        order = Order.model_validate_json(asked["prompt"])
        asked_at = time.monotonic()
        stream = asked.get("stream") is True
        length, slices = body(order.pictures, order.picture_bytes, stream=stream)
        self._head(length, "text/event-stream" if stream else "application/json")
        sent = 0
        begun = time.monotonic()
        for piece in slices:
            if order.rate:
                time.sleep(max(0.0, begun + sent / order.rate - time.monotonic()))
            self.connection.sendall(piece)
            sent += len(piece)
        _LOG[order.key] = {"asked_at": asked_at, "last_byte_at": time.monotonic()}

    def _head(self, length: int, content_type: str) -> None:
        head = (
            f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n"
        )
        self.connection.sendall(head.encode())


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._tls = tls

    def get_request(self) -> tuple[ssl.SSLSocket, Any]:
        plain, address = super().get_request()
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as any service does
        # The handshake is done by the thread of the connection, at its first read.
        return self._tls.wrap_socket(
            plain, server_side=True, do_handshake_on_connect=False
        ), address

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 (socketserver's)
        del (
            request,
            client_address,
        )  # a client that went away, as one that is measured to its end does


def main() -> None:
    """Serve until standard input ends; the first line of output is the port."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*sys.argv[1:3])
    with _Server(tls) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
