"""One question to the admin port of a gateway, at the price of one small connection."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException

from cloudmgr.errors import Temporary

# Ten thousand routers with traffic come to some 20 MB of metrics.
_LIMIT = 256 * 1024 * 1024


def ask(host: str, port: int, path: str, *, seconds: float = 5.0) -> tuple[int, bytes]:
    """Status and body of ``GET path``.

    :raises Temporary: ``gateway-unreachable``.
    """
    connection = HTTPConnection(host, port, timeout=seconds)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read(_LIMIT + 1)
    except (OSError, HTTPException) as error:
        raise Temporary(
            f"the gateway does not answer on {host}:{port}: {error}", code="gateway-unreachable"
        ) from error
    finally:
        connection.close()
    if len(body) > _LIMIT:
        raise Temporary(
            f"the gateway on {host}:{port} answers more than can be read",
            code="gateway-unreachable",
        )
    return response.status, body
