"""What the doctor finds beyond the database: in the journal, the models folder and the way the workers run.

None of it is looked at by the slices, so the composition root hands it to `api.maintenance`.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

from sekisho.api.maintenance import ERROR, HINT, WARNING, Finding
from sekisho.app import compiled
from sekisho.engines.library import Ignored

_SHOWN: Final = 5
"""Names in one finding; the rest is counted."""


def journal(set_aside: Sequence[str]) -> list[Finding]:
    """Files of the journal that could not be recorded."""
    if not set_aside:
        return []
    shown = ", ".join(set_aside[:_SHOWN]) + (", ..." if len(set_aside) > _SHOWN else "")
    message = f"{len(set_aside)} files of the journal could not be recorded and were set aside: {shown}"
    return [Finding(ERROR, "journal", message, "report the node's log of that time, keep the files, and move them out of journal/")]


def models(ignored: Sequence[Ignored]) -> list[Finding]:
    """Files of the models folder that are not served, and why."""
    remedy = "rename, replace or remove the file; it is looked at again by itself"
    return [Finding(WARNING, "model file", f"models/{each.name} is not served: {each.reason}", remedy) for each in ignored]


def hot_path() -> list[Finding]:
    """Whether workers that start now run the compiled hot path. Reads a worker's sources: some milliseconds."""
    name = "hot path"
    if compiled.is_off():
        return [Finding(HINT, name, f"workers run as plain Python, because {compiled.OFF} says so", f"unset {compiled.OFF} and start anew")]
    if compiled.ready() is not None:
        return [Finding(HINT, name, "workers run the compiled hot path", "")]
    remedy = "`make setup`, or `python -m sekisho.app.compiled`; then `sekisho reload`"
    missing = [what for what, found in (("a C compiler", compiled.compiler()), ("mypy", find_spec("mypyc"))) if found is None]
    if missing:
        remedy = f"install {' and '.join(missing)}, then {remedy}"
    return [Finding(HINT, name, "workers run as plain Python, which serves the same at about half the speed", remedy)]
