"""The chart as Helm renders it, and the sets of values with which it is tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import helm_python
import yaml

CHART = Path(__file__).parents[2] / "charts" / "cloudmgr"
SETS = {path.stem: path for path in sorted((CHART / "ci").glob("*.yaml"))}
# No set: what must be said, and nothing else.
USUAL = "usual"
NAMES = [USUAL, *SETS]

Object = dict[str, Any]


def values(name: str, **more: Any) -> Object:
    """Those of the set ``name``, with ``more`` over its topmost keys."""
    read = yaml.safe_load(SETS[name].read_text()) if name in SETS else {}
    return {"image": {"repository": "city/cloudmgr"}, **read, **more}


def texts(given: Object, namespace: str = "cloudmgr", release: str = "cloudmgr") -> dict[str, str]:
    """What each template becomes.

    :raises helm_python.HelmError: for values or templates that Helm refuses.
    """
    with helm_python.Chart.load(CHART) as chart:
        return chart.render(given, name=release, namespace=namespace)


def objects(given: Object, namespace: str = "cloudmgr", release: str = "cloudmgr") -> list[Object]:
    """Everything that would be applied."""
    return [
        made
        for name, text in texts(given, namespace, release).items()
        if not name.endswith("NOTES.txt")
        for made in yaml.safe_load_all(text)
        if made is not None
    ]


def of_kind(made: list[Object], kind: str) -> dict[str, Object]:
    """By name."""
    return {each["metadata"]["name"]: each for each in made if each["kind"] == kind}


def environment(made: list[Object], deployment: str) -> dict[str, str]:
    """The variables of a container of ``deployment``, but for what comes from a Secret."""
    (container,) = of_kind(made, "Deployment")[deployment]["spec"]["template"]["spec"]["containers"]
    (source,) = container["envFrom"]
    config: dict[str, str] = of_kind(made, "ConfigMap")[source["configMapRef"]["name"]]["data"]
    return config | {each["name"]: each["value"] for each in container["env"] if "value" in each}
