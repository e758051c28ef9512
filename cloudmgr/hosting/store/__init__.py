"""Systems, environments, their secrets, and hosting requests at rest."""

from cloudmgr.hosting.store.environments import EnvironmentStore
from cloudmgr.hosting.store.requests import RequestStore
from cloudmgr.hosting.store.secrets import SecretStore
from cloudmgr.hosting.store.systems import SystemStore

__all__ = ["EnvironmentStore", "RequestStore", "SecretStore", "SystemStore"]
