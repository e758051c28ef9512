"""The port of the fake kubelets, at which the apiserver asks for a pod's log."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.labs.kubernetes.pods import Pod


def serve_logs(pods: Mapping[tuple[str, str], Pod], certificate: Path, port: int) -> None:
    """What the apiserver asks a kubelet for when somebody reads a log."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            _, kind, namespace, name, _container = parts.path.split("/")
            query = parse_qs(parts.query)
            pod = pods.get((namespace, name))
            path = pod.log(previous=query.get("previous") == ["true"]) if pod else None
            if kind != "containerLogs" or path is None or not path.exists():
                self.send_error(404)
                return
            lines = path.read_bytes().splitlines(keepends=True)
            body = b"".join(lines[-int(query.get("tailLines", ["1000"])[0]) :])
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
