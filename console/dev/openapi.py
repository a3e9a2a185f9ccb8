"""Writes openapi.json: what the management API of this build promises, from which the client's types are made.

Run it with the project's own Python.
"""

import json
import sys
from pathlib import Path

from fastapi import FastAPI

import sekisho
from sekisho.api import schemas
from sekisho.api.app import ROUTERS


def document() -> str:
    """The document as text; the same build always gives the same text."""
    application = FastAPI(
        title="Sekisho", version=sekisho.__version__, responses={"4XX": {"model": schemas.ErrorTold}, "5XX": {"model": schemas.ErrorTold}}
    )
    for router in ROUTERS:
        application.include_router(router)
    return json.dumps(application.openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    target = Path(__file__).parents[1] / "openapi.json"
    if sys.argv[1:] == ["--check"]:
        current = target.read_text() == document()
        sys.exit(0 if current else "openapi.json is not current; run `python console/dev/openapi.py`, then `npm run types`")
    target.write_text(document())
