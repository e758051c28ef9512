"""Who changed what of an object that we wrote."""

from __future__ import annotations

from typing import Any

from cloudmgr.pools.drivers.kubernetes.ownership import changed, foreign, leaves, readable

IMAGE: dict[str, Any] = {
    "f:spec": {
        "f:template": {
            "f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:name": {}, "f:image": {}}}}
        }
    }
}
BODY: dict[str, Any] = {
    "metadata": {"labels": {"a": "1"}},
    "spec": {
        "replicas": 2,
        "template": {"spec": {"containers": [{"name": "web", "image": "registry.city/web:1"}]}},
    },
}


def entry(manager: str, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": "Update", "fieldsV1": fields, **more}


def test_a_field_that_somebody_else_took_is_told_with_who_and_what() -> None:
    ours = entry("cloudmgr", {"f:spec": {"f:replicas": {}}}, operation="Apply")
    found = changed(foreign([ours, entry("kubectl-edit", IMAGE)]), BODY)
    assert [str(one) for one in found] == [
        "spec.template.spec.containers[name=web].name by kubectl-edit",
        "spec.template.spec.containers[name=web].image by kubectl-edit",
    ]


def test_what_both_say_is_no_drift() -> None:
    entries = [entry("cloudmgr", IMAGE, operation="Apply"), entry("argocd", IMAGE)]
    assert foreign(entries) == ()


def test_what_we_alone_wrote_is_no_drift() -> None:
    assert foreign([entry("cloudmgr", IMAGE, operation="Apply"), entry("cloudmgr", IMAGE)]) == ()


def test_what_others_add_beside_ours_is_no_drift() -> None:
    revision: dict[str, Any] = {
        "f:metadata": {"f:annotations": {".": {}, "f:deployment.kubernetes.io/revision": {}}}
    }
    label: dict[str, Any] = {"f:metadata": {"f:labels": {"f:team": {}}}}
    sidecar: dict[str, Any] = {
        "f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"proxy"}': {".": {}}}}}}
    }
    entries = [entry("kube-controller-manager", revision), entry("kubectl", label)]
    assert changed(foreign([*entries, entry("mesh", sidecar)]), BODY) == []


def test_a_status_is_nobodys_drift() -> None:
    status: dict[str, Any] = {"f:status": {"f:replicas": {}}}
    assert foreign([entry("kube-controller-manager", status)]) == ()
    assert foreign([entry("kubelet", IMAGE, subresource="status")]) == ()


def test_a_path_reads_as_people_write_it() -> None:
    (path,) = leaves({"f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {"f:name": {}}}}})
    assert readable(path) == "spec.ports[port=80,protocol=TCP].name"
    (path,) = leaves({"f:metadata": {"f:finalizers": {'v:"a/b"': {}}}})
    assert readable(path) == "metadata.finalizers[a/b]"
