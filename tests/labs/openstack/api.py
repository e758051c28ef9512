"""How tests speak to an OpenStack, and how they let cloudmgr speak to it: plain HTTP, no SDK."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any

import httpx
import yaml

if TYPE_CHECKING:
    from pathlib import Path

DOMAIN = PROJECT = "cloudmgr"
_PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # to make a full one takes longer than to ask
# Below the hour for which a token holds.
_TOKEN_SECONDS = 1800.0
# What a service needs to hear to speak its newest language.
_NEWEST = {
    service: {"OpenStack-API-Version": f"{service} latest"} for service in ("compute", "placement")
}


class OpenStack:
    """One cloud, as its administrator sees it.

    :param directory: where credentials are written.
    :param entry: of a clouds.yaml: `auth`, `auth_type`, `region_name`.
    """

    def __init__(self, directory: Path, entry: dict[str, Any]) -> None:
        self.directory = directory
        self.entry = entry
        self._token = ""
        self._catalogue: list[dict[str, Any]] = []
        self._until = 0.0
        self._clients: dict[str, httpx.Client] = {}

    @property
    def keystone(self) -> str:
        return str(self.entry["auth"]["auth_url"]).rstrip("/").removesuffix("/v3") + "/v3"

    # ------------------------------------------------------------------------ how to speak to it

    def api(self, service: str) -> httpx.Client:
        """Speaks to the service of this type in the catalogue, as the administrator.

        It belongs to the cloud: whoever asks for it does not close it.
        """
        if time.monotonic() > self._until:
            self.close()
            self._token, answer = self.authenticate(identity(self.entry))
            self._catalogue = answer["catalog"]
            self.project_id = str(answer["project"]["id"])
            self._until = time.monotonic() + _TOKEN_SECONDS
        if service not in self._clients:
            self._clients[service] = self._speaking(service, self._token)
        return self._clients[service]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        self._until = 0.0

    def authenticate(self, asked: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """A token for this identity and scope, and what keystone says of it."""
        with self._client(self.keystone) as keystone:
            answer = keystone.post("/auth/tokens", json={"auth": asked}).raise_for_status()
        return answer.headers["X-Subject-Token"], answer.json()["token"]

    def endpoint(self, service: str) -> str:
        region = self.entry.get("region_name")
        return next(
            str(endpoint["url"]).rstrip("/")
            for entry in self._catalogue
            if entry["type"] == service
            for endpoint in entry["endpoints"]
            if endpoint["interface"] == "public" and endpoint["region"] in {region, None}
        )

    def _speaking(self, service: str, token: str) -> httpx.Client:
        path = {"image": "/v2", "network": "/v2.0"}.get(service, "")
        url = self.keystone if service == "identity" else self.endpoint(service) + path
        return self._client(url, {"X-Auth-Token": token, **_NEWEST.get(service, {})})

    def _client(self, url: str, headers: dict[str, str] | None = None) -> httpx.Client:
        # A connection that is kept may be one that the service has just given up.
        limits = httpx.Limits(max_keepalive_connections=0)
        verify = _PLAIN if url.startswith("http:") else self.entry.get("cacert") or True
        return httpx.Client(
            base_url=url, headers=headers, limits=limits, verify=verify, trust_env=False, timeout=60
        )

    def find(self, service: str, plural: str, **query: Any) -> list[dict[str, Any]]:
        """The objects of a collection that match."""
        answer = self.api(service).get(f"/{plural}", params=query).raise_for_status().json()
        key = plural.rpartition("/")[2].removeprefix("os-").replace("-", "_")
        found: list[dict[str, Any]] = answer[key]
        return found

    def make(
        self, service: str, kind: str, body: dict[str, Any], plural: str = ""
    ) -> dict[str, Any]:
        """One more of its kind; what the service says of it."""
        answer = self.api(service).post(f"/{plural or kind + 's'}", json={kind: body})
        assert answer.is_success, f"{kind}: {answer.status_code} {answer.text}"
        made: dict[str, Any] = answer.json()[kind]
        return made

    def size_of(self, host: str) -> tuple[int, int]:
        """The vCPUs and MiB of a host that placement gives away."""
        placement = self.api("placement")
        answer = placement.get("/resource_providers", params={"name": host}).raise_for_status()
        (provider,) = answer.json()["resource_providers"]
        path = f"/resource_providers/{provider['uuid']}/inventories"
        has = placement.get(path).raise_for_status().json()["inventories"]

        def given(kind: str) -> int:
            one = has[kind]
            return int((one["total"] - one["reserved"]) * one["allocation_ratio"])

        return given("VCPU"), given("MEMORY_MB")

    # ------------------------------------------------------------------------- who may speak to it

    def clouds_yaml(self, name: str, entry: dict[str, Any] | None = None) -> Path:
        """A file whose one cloud, `lab`, is ``entry``; the administrator's if none is given."""
        path = self.directory / f"{name}.clouds.yaml"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump({"clouds": {"lab": entry or self.entry}}))
        return path

    def account(
        self, name: str, roles: tuple[str, ...] = ("cloudmgr",), *, unrestricted: bool = False
    ) -> Path:
        """A file with an application credential of a user who has these roles on the project of
        cloudmgr, in a domain of its own.

        :param unrestricted: whether it may make more of its kind.
        """
        domain = self._once("domain", DOMAIN)
        project = self._once("project", PROJECT, domain_id=domain)
        password = f"of {name}"
        user = self._once("user", name, domain_id=domain, password=password)
        api = self.api("identity")
        for role in roles:
            path = f"/projects/{project}/users/{user}/roles/{self._once('role', role)}"
            api.put(path).raise_for_status()
        token, _ = self.authenticate(
            {
                "identity": {
                    "methods": ["password"],
                    "password": {"user": {"id": user, "password": password}},
                },
                "scope": {"project": {"id": project}},
            }
        )
        made = f"{name} {time.time_ns()}"
        asked = {"name": made, "unrestricted": unrestricted}
        with self._client(self.keystone, {"X-Auth-Token": token}) as mine:
            answer = mine.post(
                f"/users/{user}/application_credentials", json={"application_credential": asked}
            )
        assert answer.is_success, answer.text
        credential = answer.json()["application_credential"]
        shared = {
            key: value
            for key, value in self.entry.items()
            if key in {"region_name", "cacert", "interface"}
        }
        return self.clouds_yaml(
            name,
            {
                **shared,
                "auth_type": "v3applicationcredential",
                "auth": {
                    "auth_url": self.keystone,
                    "application_credential_id": credential["id"],
                    "application_credential_secret": credential["secret"],
                },
            },
        )

    def _once(self, kind: str, name: str, **more: Any) -> str:
        within = {"domain_id": more["domain_id"]} if "domain_id" in more else {}
        found = self.find("identity", f"{kind}s", name=name, **within)
        made = found[0] if found else self.make("identity", kind, {"name": name, **more})
        return str(made["id"])


def identity(entry: dict[str, Any]) -> dict[str, Any]:
    """What keystone is asked for a token of this entry of a clouds.yaml."""
    auth = entry["auth"]
    if entry.get("auth_type") == "v3applicationcredential":
        credential = {
            "id": auth["application_credential_id"],
            "secret": auth["application_credential_secret"],
        }
        return {
            "identity": {
                "methods": ["application_credential"],
                "application_credential": credential,
            }
        }
    project = {"id": auth["project_id"]} if "project_id" in auth else {"name": auth["project_name"]}
    if "id" not in project:
        project["domain"] = _domain(auth, "project")
    user = {"name": auth["username"], "password": auth["password"], "domain": _domain(auth, "user")}
    return {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": project},
    }


def _domain(auth: dict[str, Any], of: str) -> dict[str, str]:
    if name := auth.get(f"{of}_domain_name"):
        return {"name": name}
    return {"id": auth.get(f"{of}_domain_id", "default")}
