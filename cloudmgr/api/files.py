"""Files that the API hands out: what each is called, and what kind it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response


@dataclass(frozen=True, slots=True)
class FileKind:
    """``ending`` of its name; ``media_type`` as HTTP has it."""

    ending: str
    media_type: str
    binary: bool = True

    @property
    def responses(self) -> dict[int | str, dict[str, Any]]:
        """For the description of an operation that answers with such a file."""
        schema = {"type": "string", **({"format": "binary"} if self.binary else {})}
        return {200: {"content": {self.media_type.split(";")[0]: {"schema": schema}}}}


CSV = FileKind("csv", "text/csv; charset=utf-8", binary=False)
XLSX = FileKind("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
PDF = FileKind("pdf", "application/pdf")


def attached(kind: FileKind, name: str, content: bytes) -> Response:
    """``content``, to be saved as ``name`` with the ending of its kind."""
    return Response(
        content,
        media_type=kind.media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}.{kind.ending}"'},
    )
