"""Whether another credential or provider is worth a try: only while the client has no byte, and only for faults that may differ there."""

from typing import Final

CREDENTIAL_STATUSES: Final = frozenset((401, 402, 403, 429))
"""The provider refused the credential, not the request: another credential may do."""


def again(status: int, code: str, *, more: bool, began_answer: bool) -> bool:
    """Whether to try the next candidate after an answer's status, or (status 0) a fault's code."""
    if not more or began_answer:
        return False
    if status:
        return status in CREDENTIAL_STATUSES
    # Only where no byte of the request was taken is it certain that nothing was done with it.
    return code in ("upstream_unreachable", "upstream_busy")
