"""Speaks to one apiserver. The only file that imports the Kubernetes client.

The client reads the credentials (kubeconfig with tokens, certificates and plugins, or the pod's
own), renews them, and holds the connections. Objects are plain dicts: its models take ten times
the memory and time, and refuse what a newer server says.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import urllib3
from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.config.config_exception import ConfigException
from yaml import YAMLError

from cloudmgr.errors import CloudmgrError, Invalid, NotFound, Permanent, Temporary
from cloudmgr.pools.drivers.kubernetes.ownership import FIELD_MANAGER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudmgr.pools.drivers.kubernetes.settings import KubernetesSettings, Timing

Object = dict[str, Any]
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_ANY = "application/json"
# Only names, labels and annotations: what is enough for most kinds, at a fraction of the memory.
_METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
_CONNECTIONS = 32


class GoneError(Exception):
    """The version to go on from is too old: list again."""


class Cluster:
    """One apiserver with one credential. Any thread may call; nothing is asked before a call.

    Every method raises :class:`Temporary` where it may work later and :class:`Permanent` where
    the request itself is refused; the message is what the apiserver said.

    :raises Invalid: ``invalid-pool-settings`` for credentials that cannot be read.
    """

    def __init__(self, name: str, settings: KubernetesSettings, timing: Timing) -> None:
        self._name = name
        self._timing = timing
        self._settings = settings
        self._read = self._file()
        self._configuration, self._client = self._opened()

    def close(self) -> None:
        self._client.close()

    # -------------------------------------------------------------------------------- the verbs

    def list(self, path: str, *, bare: bool, **query: object) -> Object:
        """One page. :raises GoneError: for a ``continue`` that is too old.

        :param bare: only names, labels and annotations are wanted.
        """
        return self._json("GET", path, query, accept=_METADATA.format("List") if bare else _ANY)

    def text(self, path: str, **query: object) -> str:
        """:raises NotFound: there is none."""
        return self._send("GET", path, query, accept="*/*").decode("utf-8", "replace")

    def apply(
        self, path: str, body: Object, *, bare: bool = False, dry_run: bool = False
    ) -> Object:
        """Server-side apply: what ``body`` says is ours from now on.

        With ``dry_run`` the answer is what would be there, and nothing is written.

        :param bare: as of :meth:`list`.
        """
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        if dry_run:
            query["dryRun"] = "All"
        accept = _METADATA.format("") if bare else _ANY
        return self._json("PATCH", path, query, body=body, kind=_APPLY, accept=accept)

    def merge(self, path: str, body: Object) -> Object:
        """Change just what ``body`` says. :raises NotFound: there is nothing to change."""
        return self._json("PATCH", path, {"fieldManager": FIELD_MANAGER}, body=body, kind=_MERGE)

    def delete(self, path: str, uid: str = "", *, alone: bool = False) -> None:
        """Nothing there is no error; with ``uid``, another of that name is not touched.

        :param alone: what it made stays.
        """
        body: Object = {"propagationPolicy": "Orphan" if alone else "Background"}
        if uid:
            body["preconditions"] = {"uid": uid}
        with suppress(NotFound):
            self._json("DELETE", path, {}, body=body)

    def watch(self, path: str, *, bare: bool, **query: object) -> Watch:
        """Events from ``resourceVersion`` on, until the server ends it or it is closed.

        :raises GoneError: that version is too old.
        """
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": int(self._timing.watch),
            **query,
        }
        timeout = urllib3.Timeout(connect=self._timing.answer, read=self._timing.silence)
        accept = _METADATA.format("") if bare else _ANY
        response = self._open("GET", path, query, accept=accept, timeout=timeout)
        return Watch(response, self._lost)

    # --------------------------------------------------------------------------------- inside

    def _opened(self) -> tuple[Configuration, ApiClient]:
        """:raises Invalid: ``invalid-pool-settings``."""
        configuration = Configuration()
        try:
            if self._settings.kubeconfig:
                config.load_kube_config(
                    self._settings.kubeconfig,
                    self._settings.context or None,
                    client_configuration=configuration,
                    persist_config=False,
                )
            else:
                config.load_incluster_config(client_configuration=configuration)
        except (ConfigException, YAMLError, OSError, ValueError, TypeError) as error:
            raise Invalid(
                f"pool {self._name}: its credentials cannot be read: {error}",
                code="invalid-pool-settings",
                path="kubeconfig",
            ) from error
        configuration.connection_pool_maxsize = _CONNECTIONS
        # Read once: one that is not set is looked for in the environment at each request.
        configuration.proxy = configuration.proxy
        return configuration, ApiClient(configuration)

    def _file(self) -> tuple[int, int]:
        """Another one each time that somebody wrote the credentials anew."""
        try:
            # Those of a pod are read again and again by the client itself.
            found = Path(self._settings.kubeconfig or os.devnull).stat()
        except OSError:
            return 0, 0
        return found.st_mtime_ns, found.st_ino

    def _renew(self) -> None:
        """Take up credentials that were written since."""
        written = self._file()
        if written == self._read:
            return
        before = self._client
        with suppress(Invalid):  # it may be half written: the next refusal comes soon
            self._configuration, self._client = self._opened()
            self._read = written
            before.close()

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        *,
        body: Object | None = None,
        kind: str = "application/json",
        accept: str = _ANY,
    ) -> Object:
        found: Object = json.loads(
            self._send(method, path, query, body=body, kind=kind, accept=accept)
        )
        return found

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        *,
        body: Object | None = None,
        kind: str = "",
        accept: str = _ANY,
    ) -> bytes:
        timeout = urllib3.Timeout(total=self._timing.answer)
        response = self._open(
            method, path, query, body=body, kind=kind, accept=accept, timeout=timeout
        )
        try:
            return response.data
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._lost(error) from error

    def _open(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        *,
        body: Object | None = None,
        kind: str = "",
        accept: str = _ANY,
        timeout: urllib3.Timeout | None = None,
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": accept, "User-Agent": "cloudmgr"}
        if kind:
            headers["Content-Type"] = kind
        try:
            authorization = self._configuration.auth_settings().get("BearerToken", {}).get("value")
            if authorization:
                headers["Authorization"] = authorization
            response: urllib3.BaseHTTPResponse = self._client.rest_client.pool_manager.urlopen(
                method,
                f"{self._configuration.host}{path}{'?' if query else ''}{urlencode(query)}",
                headers=headers,
                body=None if body is None else json.dumps(body, ensure_ascii=False).encode(),
                timeout=timeout,
                retries=False,
                preload_content=False,
            )
            if response.status >= 400:
                raise self._refused(response.status, response.data)
            if accept != "*/*" and not response.headers.get("Content-Type", "").startswith(_ANY):
                raise Temporary(
                    f"what answers for the cluster of pool {self._name} is no apiserver: "
                    f"{_message(response.data)}",
                    code="pool-unreachable",
                    hint="see what stands between cloudmgr and the address in its kubeconfig",
                )
        except (urllib3.exceptions.HTTPError, OSError, ConfigException) as error:
            raise self._lost(error) from error
        return response

    def _lost(self, error: BaseException) -> Temporary:
        return Temporary(
            f"the cluster of pool {self._name} cannot be reached: {_plain(error)}",
            code="pool-unreachable",
            hint="see that its apiserver runs and can be reached from here",
        )

    def _refused(  # noqa: PLR0911 - one answer for each status
        self, status: int, content: bytes
    ) -> CloudmgrError | GoneError:
        said = _message(content)
        sentence = f"the cluster of pool {self._name} answers {status}: {said}"
        match status:
            case 401:
                self._renew()
                return Temporary(
                    f"the cluster of pool {self._name} does not know our credentials (any more)",
                    code="pool-credentials",
                    hint="renew the token or certificate in its kubeconfig",
                )
            case 403 if "because it is being terminated" in said:
                return Temporary(
                    "what was there before is still being removed", code="still-ending"
                )
            case 403 if "must support resize" in said:
                return Permanent(
                    sentence,
                    code="pool-refuses",
                    hint="let its StorageClass allow volume expansion",
                )
            case 403 if "exceeded quota" in said:
                return Temporary(sentence, code="pool-busy")
            case 403:
                return Temporary(
                    sentence,
                    code="pool-forbidden",
                    hint="its ClusterRole must be the one that cloudmgr's chart ships",
                )
            case 404:
                return NotFound(said, code="not-in-cluster")
            case 410:
                return GoneError(said)
            case 400 | 405 | 413 | 415 | 422:
                return Permanent(sentence, code="pool-refuses")
            case _:
                # 409: somebody was faster. 429, 5xx: it has too much to do, or is not well.
                return Temporary(sentence, code="pool-busy")


class Watch:
    """Events, each with ``type`` and ``object``. :meth:`close` may be called by any thread."""

    def __init__(self, response: urllib3.BaseHTTPResponse, lost: Any) -> None:
        self._response = response
        self._lost = lost
        self._closed = False

    def __iter__(self) -> Iterator[Object]:
        """:raises GoneError: the server cannot go on from there. :raises Temporary: it broke."""
        rest = b""
        try:
            while chunk := self._response.read1():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    event: Object = json.loads(line)
                    if event["type"] == "ERROR":
                        raise GoneError(str(event["object"].get("message", "")))
                    yield event
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if not self._closed:
                raise self._lost(error) from error
        finally:
            self._response.close()

    def close(self) -> None:
        self._closed = True
        with suppress(Exception):  # it may end by itself in this very moment
            self._response.shutdown()


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])[:500]
    except (ValueError, KeyError, TypeError):
        return content.decode("utf-8", "replace").strip()[:500] or "nothing"


def _plain(error: BaseException) -> str:
    """What is wrong in plain words, then in the library's: without objects and their addresses."""
    reason = getattr(error, "reason", None) or error
    match reason:
        case urllib3.exceptions.NameResolutionError():
            plain = "nobody knows its name"
        case urllib3.exceptions.NewConnectionError():
            plain = "nobody listens at its address"
        case urllib3.exceptions.TimeoutError():
            plain = "it does not answer in time"
        case _ if "CERTIFICATE_VERIFY_FAILED" in str(reason):
            plain = "its certificate is not one that the kubeconfig trusts"
        case _:
            plain = "the connection broke"
    return f"{plain} ({str(reason).split('>: ')[-1]})"[:300]
