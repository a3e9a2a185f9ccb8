"""What the doctor finds beyond the database: in the journal, the models folder, the certificates and the way the workers run.

None of it is looked at by the slices, so the composition root hands it to `api.maintenance`.
"""

import os
import shlex
import stat
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

from sekisho.api.maintenance import DATABASE, ERROR, HINT, WARNING, Finding
from sekisho.app import compiled
from sekisho.app.lifecycle import Outage
from sekisho.certs.model import CertificateFacts, CertificateFault
from sekisho.certs.settings import MADE, WARN_DAYS
from sekisho.engines.library import Ignored
from sekisho.kit.clock import SECOND, to_rfc3339

DAY: Final = 24 * 3600 * SECOND
_SHOWN: Final = 5
"""Names in one finding; the rest is counted."""


def journal(set_aside: Sequence[str]) -> list[Finding]:
    """Files of the journal that could not be recorded."""
    if not set_aside:
        return []
    shown = ", ".join(set_aside[:_SHOWN]) + (", ..." if len(set_aside) > _SHOWN else "")
    message = f"{len(set_aside)} files of the journal could not be recorded and were set aside: {shown}"
    return [Finding(ERROR, "journal", message, "report the node's log of that time, keep the files, and move them out of journal/")]


def room(full: int, dropped: int) -> list[Finding]:
    """Workers whose journals have no room, and what that has cost."""
    remedy = "make room on the disk of the home; it goes on by itself"
    found = []
    if full:
        found.append(Finding(ERROR, "journal", f"a worker's journal is full (workers: {full}): no new call can be recorded there", remedy))
    if dropped:
        message = f"{dropped} records found no room in a journal since the node's start and are not kept"
        found.append(Finding(WARNING, "journal", message, f"{remedy}; journal.on_full = refuse never drops one"))
    return found


def database(outage: Outage | None, copy_trouble: str | None) -> list[Finding]:
    """What keeps the database from being used, and the sealed copy from being one."""
    found = []
    if outage is not None:
        serves = "; calls are served, records wait in the journal"
        if outage.copy_revision is not None:
            written = to_rfc3339(outage.copy_written_at or 0)
            serves = f"; calls are served from the sealed copy of revision {outage.copy_revision} of {written}, records wait in the journal"
        found.append(Finding(ERROR, DATABASE, f"{outage.reason}{serves}", "mend what is said, and nothing else: it goes on by itself"))
    if copy_trouble is not None:
        remedy = "make room on its disk or mend its permissions; it is written again by itself"
        found.append(Finding(WARNING, "sealed copy", f"{copy_trouble}: a start needs the database now", remedy))
    return found


def models(ignored: Sequence[Ignored]) -> list[Finding]:
    """Files of the models folder that are not served, and why."""
    remedy = "rename, replace or remove the file; it is looked at again by itself"
    return [Finding(WARNING, "model file", f"models/{each.name} is not served: {each.reason}", remedy) for each in ignored]


def certificates(found: Sequence[CertificateFacts | CertificateFault], now: int) -> list[Finding]:
    """Certificates of the doors that have ended, end soon, cannot be read, or whose key lies open."""
    findings = []
    for each in found:
        if isinstance(each, CertificateFault):
            findings.append(
                Finding(ERROR, "certificates", f"{each.path}: {each.message}", "put the right file back, then: sekisho proxy reload")
            )
            continue
        if not each.in_use:
            continue
        days = (each.not_after - now) // DAY
        if days < WARN_DAYS:
            told = f"{each.path} ended {-days} days ago" if days < 0 else f"{each.path} ends in {days} days"
            remedy = "sekisho proxy reload" if each.mode in MADE else "put a new chain and key in place, then: sekisho proxy reload"
            findings.append(Finding(ERROR if days < 0 else WARNING, "certificates", told, remedy))
        if each.key_path is not None:
            findings += _open_key(each.key_path)
    return findings


def _open_key(path: str) -> list[Finding]:
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError as error:
        return [Finding(ERROR, "certificates", f"{path}: {error.strerror}", "put the key back, then: sekisho proxy reload")]
    if mode & 0o007:
        return [Finding(ERROR, "certificates", f"{path} can be read by every user (mode {mode:04o})", f"chmod 0600 {shlex.quote(path)}")]
    return []


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
