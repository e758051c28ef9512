"""``python -m bench.bare PORT FILE``: a route that answers what is in the file, from memory.

What any FastAPI application on Uvicorn costs, before it does anything.
"""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Response

app = FastAPI()


def main() -> None:
    port, content = int(sys.argv[1]), Path(sys.argv[2]).read_bytes()

    @app.get("/")
    def answer() -> Response:
        # Like every route of ours a plain function: it runs on a thread.
        return Response(content, media_type="application/json")

    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()
