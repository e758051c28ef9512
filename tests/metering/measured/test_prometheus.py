from __future__ import annotations

from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

import pytest
import trustme

from cloudmgr.errors import Temporary
from cloudmgr.interval import Interval
from cloudmgr.metering.measured import prometheus
from tests.metering.measured.cadvisor import at, measured_by, serving
from tests.prometheus import server

if TYPE_CHECKING:
    from pathlib import Path


def test_a_refused_question_says_what_prometheus_said(known: str) -> None:
    wrong = replace(measured_by(known), matchers="no selector")
    with pytest.raises(Temporary, match="parse error"):
        prometheus.read(wrong, Interval(at(0), at(60)))


def test_https_takes_the_configured_authority_and_a_token_goes_along(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "token").write_text("s3cret\n")
    (tmp_path / "web.yml").write_text("tls_server_config: {cert_file: cert.pem, key_file: key.pem}")
    with server(tmp_path / "data", f"--web.config.file={tmp_path / 'web.yml'}") as url:
        secure = url.replace("http:", "https:")
        trusting = measured_by(secure, prometheus_ca_file=str(tmp_path / "ca.pem"))

        assert prometheus.read(trusting, Interval(at(0), at(60)))["vcpu-used"] == []
        with pytest.raises(Temporary, match="certificate verify failed"):
            prometheus.read(measured_by(secure), Interval(at(0), at(60)))

    asked: list[str | None] = []

    class Gate(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.headers["Authorization"])
            self.send_error(401)

        def log_message(self, *_: object) -> None: ...

    with serving(Gate) as port:
        guarded = measured_by(
            f"http://127.0.0.1:{port}", prometheus_token_file=str(tmp_path / "token")
        )
        with pytest.raises(Temporary, match="HTTP 401"):
            prometheus.read(guarded, Interval(at(0), at(60)))
    assert asked == ["Bearer s3cret"]


@pytest.mark.parametrize(
    "answer",
    [
        "<html>a login page</html>",
        "[]",
        '{"status": "success", "data": {"result": [{"metric": {}}]}}',
    ],
)
def test_an_answer_that_is_none_of_a_prometheus_is_said_to_be(answer: str) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *_: object) -> None: ...

    with serving(Other) as port, pytest.raises(Temporary, match="does not tell"):
        prometheus.read(measured_by(f"http://127.0.0.1:{port}"), Interval(at(0), at(60)))
