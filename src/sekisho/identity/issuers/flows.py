"""One login on its way to an issuer and back: what the browser carries meanwhile, sealed.

Nothing of it is stored here, so that strangers who begin logins fill no table. The seal binds it to its provider and its purpose, it
ends by itself, and the answer counts only in the browser that began (state), for the token that answers it (nonce), with the
verifier that only we know (PKCE, S256).
"""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import asdict, dataclass
from typing import Final
from urllib.parse import urlencode

from sekisho.identity.issuers.idtokens import RejectedError
from sekisho.kit.clock import SECOND
from sekisho.kit.crypto import KeyRing, SealError, token

LIFE_SECONDS: Final = 600
"""How long somebody may take to log in over there."""

_PLACE: Final = "oidc flow"


@dataclass(frozen=True, repr=False)
class Flow:
    """What has to come back, or stays with us."""

    provider: str
    state: str
    nonce: str
    verifier: str
    expires_at: int
    next: str
    """Where in the console the person wanted to go: a path of ours."""


def begin(provider: str, next_path: str, now: int) -> Flow:
    """A new login by this provider (its id); `now` in microseconds."""
    return Flow(provider, token(), token(), token(48), now + LIFE_SECONDS * SECOND, local_path(next_path))


def local_path(text: str) -> str:
    """The text, if it is a path of ours that no browser takes for another host; else the console's first page."""
    good = text.startswith("/") and not text.startswith(("//", "/\\", "/api/")) and len(text) <= 500
    return text if good and text.isascii() and text.isprintable() and "\\" not in text else "/"


def challenge(verifier: str) -> str:
    """What the issuer is shown of the verifier (RFC 7636, S256)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def address(flow: Flow, endpoint: str, client_id: str, redirect_uri: str, scopes: str) -> str:
    """Where the browser goes."""
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": scopes,
        "state": flow.state,
        "nonce": flow.nonce,
        "code_challenge": challenge(flow.verifier),
        "code_challenge_method": "S256",
    }
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


def pack(flow: Flow, ring: KeyRing) -> str:
    """The cookie's value."""
    return base64.urlsafe_b64encode(ring.seal(json.dumps(asdict(flow)).encode(), _PLACE)).decode().rstrip("=")


def unpack(text: str | None, state: str, provider: str, ring: KeyRing, now: int) -> Flow:
    """The login that an answer belongs to; raises RejectedError where it belongs to none of this browser's."""
    if not text:
        raise RejectedError("state_missing", "this browser began no login here, or too long ago; begin again")
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        flow = Flow(**json.loads(ring.open(sealed, _PLACE)))
    except (binascii.Error, SealError, ValueError, TypeError):
        raise RejectedError("state_missing", "what this browser keeps of the login is not ours; begin again") from None
    if not hmac.compare_digest(flow.state.encode(), state.encode()) or flow.provider != provider:
        raise RejectedError("wrong_state", "the answer belongs to another login; begin again")
    if flow.expires_at <= now:
        raise RejectedError("state_expired", f"the login took longer than {LIFE_SECONDS // 60} minutes; begin again")
    return flow
