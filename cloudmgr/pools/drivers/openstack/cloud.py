"""How cloudmgr speaks to an OpenStack cloud: the one file that knows the SDK.

Paths and bodies are those of the services' own references. What is the cloud's as a whole
(projects, quotas, placement) is asked with the pool's application credential; what belongs to an
environment with that environment's own user, who has the role ``member`` in its project and no
other.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

import openstack
from keystoneauth1 import exceptions as lost
from keystoneauth1.identity import v3
from openstack.config import OpenStackConfig
from openstack.exceptions import SDKException

from cloudmgr import __version__
from cloudmgr.errors import CloudmgrError, Conflict, NotFound, Permanent, Temporary

if TYPE_CHECKING:
    from keystoneauth1.identity.base import BaseIdentityPlugin
    from openstack.connection import Connection

    from cloudmgr.pools.drivers.openstack.settings import OpenStackSettings, Timing

Object = dict[str, Any]

# What we speak. Nova 2.79 is of 2019 (Train), placement 1.36 of 2020 (Ussuri).
_SPOKEN = {"compute": "2.79", "placement": "1.36"}
# What keystone says to who is asked for a token: of an application credential that is deleted, 404.
_UNKNOWN = (lost.Unauthorized, lost.NotFound)


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who acts within one project; the password is told to nobody."""

    user: str
    project_id: str
    password: str

    def __repr__(self) -> str:
        return f"Tenant({self.user!r}, {self.project_id!r})"


@dataclass(frozen=True, slots=True)
class Self:
    """Who the credential is: its project is above all of the pool's."""

    project_id: str
    domain_id: str


class Cloud:
    """Any thread may ask. A cloud that does not answer yet is no error until it is asked.

    :param name: the pool's, for messages.
    """

    def __init__(self, name: str, settings: OpenStackSettings, timing: Timing) -> None:
        self._name = name
        self._settings = settings
        self._timing = timing
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._endpoints: dict[str, str] = {}
        self._tenants: dict[str, tuple[Tenant, v3.Password]] = {}
        self._roles: dict[str, str] = {}

    # ------------------------------------------------------------------------------- to ask it

    def get(self, service: str, path: str, tenant: Tenant | None = None, **query: object) -> Object:
        """:raises NotFound: :raises Temporary: :raises Permanent: as :meth:`send`."""
        return self.send(service, "GET", path, tenant=tenant, query=query) or {}

    def servers(self, **query: Any) -> list[Object]:
        """Those of all projects. Where rights lack, nova says nothing and answers something else.

        :raises Temporary: ``pool-forbidden``, and as :meth:`send`.
        """
        found = self.list("compute", "/servers/detail", "servers", None, all_tenants=1, **query)
        for item in found:
            heeded = item["tenant_id"] == query.get("project_id", item["tenant_id"])
            if not heeded or ("deleted" in query and item["status"] == "ACTIVE"):
                raise self._refused("compute", 403, "it does not heed which servers are asked for")
            if "host_status" not in item:
                raise self._refused("compute", 403, "it does not tell whether hosts of servers run")
        return found

    def list(
        self,
        service: str,
        path: str,
        key: str,
        tenant: Tenant | None = None,
        *,
        patience: float | None = None,
        **query: object,
    ) -> list[Object]:
        """All pages of what stands under ``key``.

        :param patience: as of :meth:`send`, for each of them.
        """
        found: list[Object] = []
        asked = query
        while True:
            said = self.send(service, "GET", path, tenant=tenant, query=asked, patience=patience)
            answer = said or {}
            found += answer.get(key) or []
            onward = _onward(answer, key)
            if not onward:
                return found
            asked = {**query, "marker": onward}

    def send(
        self,
        service: str,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        tenant: Tenant | None = None,
        query: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        patience: float | None = None,
    ) -> Object | None:
        """What it answers; None for nothing.

        :param service: ``identity``, ``compute``, ``network``, ``placement``, ``image`` or
            ``block_storage``.
        :param patience: so many seconds are waited for the answer, if not as long as usual.
        :raises NotFound: there is no such thing.
        :raises Conflict: it is not as the request supposes (409, 412).
        :raises Temporary: ``pool-unreachable``, ``pool-credentials``, ``pool-forbidden``,
            ``pool-quota`` or ``pool-busy``.
        :raises Permanent: ``pool-refuses`` for what it does not take.
        """
        try:
            adapter = getattr(self._connected(), service)
            if service == "block_storage":
                # Before Yoga (2022) cinder's paths began with who asks, and they still may.
                path = f"/{tenant.project_id if tenant else self._access().project_id}{path}"
            said: dict[str, Any] = {"headers": dict(headers or {}), "raise_exc": False}
            if tenant is not None:
                said["auth"] = self._auth(tenant)
            if body is not None:
                said["json"] = body
            said |= {
                "params": {k: str(v) for k, v in (query or {}).items()},
                "endpoint_override": self._endpoint(service),
                "microversion": _SPOKEN.get(service),
                "timeout": patience or self._timing.answer,
                "connect_retries": 0,
            }
            answer = _asked(adapter, method, path, said)
        except _UNKNOWN as error:
            raise self._unknown(tenant) from error
        except lost.HttpError as error:
            raise self._refused("keystone", error.http_status or 500, str(error)) from error
        except (lost.ClientException, SDKException, OSError) as error:
            raise self._lost(error) from error
        if answer.status_code >= 400:
            said_no = _message(answer)
            # Keystone says that, and 404, to a token whose application credential is deleted.
            if answer.status_code == 401 or "Could not find Application Credential" in said_no:
                raise self._unknown(tenant)
            raise self._refused(service, answer.status_code, said_no)
        return cast("Object", answer.json()) if answer.content else None

    def self(self) -> Self:
        """:raises Temporary: the cloud does not answer."""
        try:
            access = self._access()
        except _UNKNOWN as error:
            raise self._unknown(None) from error
        except (lost.ClientException, SDKException, OSError) as error:
            raise self._lost(error) from error
        return Self(access.project_id, access.project_domain_id)

    def role(self, name: str) -> str:
        """The id of the role that is called so. :raises Permanent: there is none."""
        if name not in self._roles:
            for item in self.list("identity", "/roles", "roles"):
                self._roles[item["name"]] = item["id"]
        if name not in self._roles:
            raise Permanent(
                f"the cloud of pool {self._name} has no role {name}", code="pool-refuses"
            )
        return self._roles[name]

    @property
    def seed(self) -> str:
        """What only this pool's credential knows."""
        auth = self._connected().config.auth
        return str(auth.get("application_credential_secret") or auth.get("password") or "")

    def forget(self, project_id: str) -> None:
        """Its user's token is not needed any more."""
        self._tenants.pop(project_id, None)

    def close(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
            connection.session.session.close()

    # --------------------------------------------------------------------------------- inside

    def _connected(self) -> Connection:
        with self._lock:
            if self._connection is None:
                try:
                    config = OpenStackConfig(
                        config_files=[self._settings.clouds_file],
                        secure_files=[],
                        vendor_files=[],
                        load_envvars=False,
                        app_name="cloudmgr",
                        app_version=__version__,
                    )
                    region = config.get_one(cloud=self._settings.cloud)
                except (SDKException, lost.ClientException, OSError, ValueError) as error:
                    raise Temporary(
                        f"the cloud of pool {self._name} cannot be found: {error}",
                        code="pool-unreachable",
                        hint="see that clouds_file can be read and has an entry of this name",
                    ) from error
                self._connection = openstack.connection.Connection(config=region)
            return self._connection

    def _endpoint(self, service: str) -> str:
        """Where it is; and that it speaks as we do. :raises Permanent: it is too old for us."""
        if service in self._endpoints:
            return self._endpoints[service]
        adapter = getattr(self._connected(), service)
        data = adapter.get_endpoint_data()
        if data is None or not data.url:
            message = f"the catalogue has no {service} service"
            raise lost.EndpointNotFound(message)
        spoken = _SPOKEN.get(service)
        newest = data.max_microversion
        if spoken and (newest is None or newest < tuple(map(int, spoken.split(".")))):
            raise Permanent(
                f"the {service} service of pool {self._name} is too old: "
                f"it must know microversion {spoken}",
                code="pool-refuses",
                hint="take a cloud of OpenStack Ussuri (2020) or later",
            )
        url = str(data.url)
        if service == "block_storage":
            url = url.rstrip("/").removesuffix(f"/{self._access().project_id}")
        self._endpoints[service] = url
        return url

    def _auth(self, tenant: Tenant) -> v3.Password:
        known = self._tenants.get(tenant.project_id)
        if known is not None and known[0] == tenant:
            return known[1]
        access = self._access()
        made = v3.Password(
            auth_url=self._connected().config.auth["auth_url"],
            username=tenant.user,
            user_domain_id=access.project_domain_id,
            password=tenant.password,
            project_id=tenant.project_id,
        )
        self._tenants[tenant.project_id] = tenant, made
        return made

    def _access(self) -> Any:
        session = self._connected().session
        # Whatever a clouds.yaml names is of this kind; its token is renewed here when it must be.
        return cast("BaseIdentityPlugin", session.auth).get_access(session)

    def _unknown(self, tenant: Tenant | None) -> Temporary:
        if tenant is not None:
            self.forget(tenant.project_id)
            return Temporary(
                f"the cloud of pool {self._name} does not know {tenant.user} (any more)",
                code="pool-tenant",
            )
        with self._lock:
            # Somebody may have written new ones into the file: it is read again.
            self._connection = None
            self._tenants.clear()
        return Temporary(
            f"the cloud of pool {self._name} does not know our credentials (any more)",
            code="pool-credentials",
            hint="renew the application credential in its clouds.yaml",
        )

    def _lost(self, error: BaseException) -> CloudmgrError:
        if isinstance(error, CloudmgrError):
            return error
        return Temporary(
            f"the cloud of pool {self._name} cannot be reached: {_plain(error)}",
            code="pool-unreachable",
            hint="see that its services run and can be reached from here",
        )

    def _refused(self, service: str, status: int, said: str) -> CloudmgrError:
        sentence = f"the {service} service of pool {self._name} answers {status}: {said}"
        match status:
            case 404:
                return NotFound(said, code="not-in-cloud")
            case 403 | 409 | 413 if "quota" in said.lower():
                return Temporary(sentence, code="pool-quota")
            case 403:
                return Temporary(
                    sentence,
                    code="pool-forbidden",
                    hint="the role and policies must be those of deploy/openstack",
                )
            case 409 | 412:
                return Conflict(sentence, code="pool-conflict")
            case 400 | 405 | 415 | 422:
                return Permanent(sentence, code="pool-refuses")
            case _:
                # 429, 5xx: it has too much to do, or is not well.
                return Temporary(sentence, code="pool-busy")


def _asked(adapter: Any, method: str, path: str, said: dict[str, Any]) -> Any:
    """The answer. What only reads is asked twice if its connection breaks.

    A service may close one that was idle just as we use it again. What changes something may have
    been done all the same: it is looked for before it is tried again.
    """
    try:
        return adapter.request(path, method, **said)
    except lost.ConnectFailure:
        if method != "GET":
            raise
        return adapter.request(path, method, **said)


def _onward(answer: Object, key: str) -> str:
    """The marker of the next page; empty on the last. How much is on one is for a service to say:
    nova's and neutron's operators may set it, glance puts 25 images there.
    """
    links = answer.get(f"{key}_links") or answer.get("links")
    href = answer.get("next")
    if isinstance(links, list):
        href = next((link["href"] for link in links if link["rel"] == "next"), None)
    return parse_qs(urlsplit(href or "").query).get("marker", [""])[0]


def _message(answer: Any) -> str:
    """What a service says of a refusal: each wraps it in another name."""
    try:
        said = answer.json()
        if isinstance(said, dict) and said.get("errors"):
            return str(said["errors"][0].get("detail", said["errors"]))[:500]
        inner = next(iter(said.values()))
        return str(inner["message"] if isinstance(inner, dict) else inner)[:500]
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration, IndexError):
        return str(answer.text).strip()[:500] or "nothing"


def _plain(error: BaseException) -> str:
    match error:
        case lost.ConnectTimeout():
            plain = "it does not answer in time"
        case lost.SSLError():
            plain = "its certificate is not one that is trusted"
        case lost.ConnectFailure():
            plain = "nobody listens at its address, or the connection broke"
        case lost.EndpointNotFound():
            plain = "its catalogue lacks a service"
        case _:
            plain = "the connection broke"
    return f"{plain} ({error})"[:300]
