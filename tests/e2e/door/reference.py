"""Writes `docs/reference/http-framing.md` from the table of cases: `python -m tests.e2e.door.reference`."""

from pathlib import Path
from typing import Final

from tests.e2e.door.cases import CASES, VALID, Case

PAGE: Final = Path(__file__).parents[3] / "docs" / "reference" / "http-framing.md"

CHAPTERS: Final = (
    ("T24", "Framing: lengths, codings, chunks, heads, versions, pipelines"),
    ("T26", "Host"),
    ("T28", "Bounds of the head, of trailers and of chunk framing"),
    ("T33", "Bounds of the body"),
    ("T35", "Compressed bodies"),
    ("T34", "JSON"),
    ("T02", "Targets and methods"),
    ("T03", "Credentials: where they are taken from"),
    ("T05", "Credentials: bad keys"),
    ("T27", "Names with underscores, repeated headers"),
)

OPENING: Final = """# What the door takes and what it refuses

This page is written by `python -m tests.e2e.door.reference` from the table that the tests send; a test fails where it differs.

Both ports, the gateway's and the console's, are served by the same listener and follow the same rules of HTTP/1.1 (RFC 9112). A message
that two readers might read differently is answered once, the connection is closed behind the answer, and nothing that came with it is
read as a further request. What is decided by the listener holds on both ports; what is decided behind it is written here for the gateway's
port, and the console's port refuses such a message too. Each message is sent whole, byte by byte, with a second request behind it, and
with one before and one behind it in the same breath; of a refused message the provider sees nothing.

A refusal is an error object in the caller's dialect, with the request's id in it and in `x-request-id`. Where the answer says
`Connection: close`, the connection is closed; otherwise it may be used again.

Where the standard would allow another answer, the last column says which and why. The bounds are settings (section `bounds`); the
figures here are the defaults.
"""


def render() -> str:
    """The whole page."""
    parts = [OPENING]
    for threat, title in CHAPTERS:
        cases = [case for case in CASES if case.threat == threat]
        parts.append(f"\n## {title} ({threat})\n")
        refused = [case for case in cases if case.layer != VALID]
        served = [case for case in cases if case.layer == VALID]
        if refused:
            parts.append("| message | answer | connection | decided by | the standard would allow |\n|---|---|---|---|---|")
            parts += [_row(case) for case in refused]
        if served:
            parts.append(("\n" if refused else "") + "Served:\n")
            parts += [f"- {_safe(case.name)}{', then the connection is closed' if case.connection == 'closed' else ''}" for case in served]
    return "\n".join(parts) + "\n"


def _row(case: Case) -> str:
    statuses = " or ".join(map(str, case.status))
    others = " or ".join(map(str, case.allowed))
    choice = f"{others}: {case.choice}" if others else case.choice
    return f"| {_safe(case.name)} | {statuses} | {case.connection} | {case.layer} | {_safe(choice)} |"


def _safe(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render())


if __name__ == "__main__":
    main()
