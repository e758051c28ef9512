"""What an operator set of a pool, read into the shape that its driver gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from cloudmgr.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

Shape = TypeVar("Shape", bound=BaseModel)


def parsed_settings(shape: type[Shape], settings: Mapping[str, object], whose: str) -> Shape:
    """The ``settings`` of ``whose`` pool, as in ``a local pool``.

    :raises Invalid: ``invalid-pool-settings``, with every fault and its path.
    """
    try:
        return shape.model_validate(dict(settings))
    except ValidationError as error:
        problems = tuple(
            (".".join(str(part) for part in fault["loc"]) or "settings", str(fault["msg"]))
            for fault in error.errors()
        )
        raise Invalid(
            f"the settings of {whose} are wrong: "
            + "; ".join(f"{path}: {sentence}" for path, sentence in problems),
            code="invalid-pool-settings",
            problems=problems,
        ) from error
