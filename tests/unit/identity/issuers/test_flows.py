"""What the browser carries between two houses: opened by nobody but us, for ten minutes, for the login that it was made for."""

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.identity.issuers import flows
from sekisho.identity.issuers.idtokens import RejectedError
from sekisho.kit.clock import SECOND
from sekisho.kit.crypto import KeyRing

RING = KeyRing({1: bytes(32)})
NOW = 1_767_225_600 * SECOND


def test_the_challenge_is_that_of_rfc_7636() -> None:
    assert flows.challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_address_holds_what_has_to_come_back_and_not_what_stays() -> None:
    flow = flows.begin("i1", "/usage", NOW)
    address = flows.address(
        flow, "https://issuer.example.org/authorize?tenant=1", "client", "https://console.example.org/back", "openid email"
    )
    query = {name: value for name, (value,) in parse_qs(urlsplit(address).query).items()}
    assert query == {
        "tenant": "1",
        "response_type": "code",
        "client_id": "client",
        "redirect_uri": "https://console.example.org/back",
        "scope": "openid email",
        "state": flow.state,
        "nonce": flow.nonce,
        "code_challenge": flows.challenge(flow.verifier),
        "code_challenge_method": "S256",
    }
    assert flow.verifier not in address
    assert 43 <= len(flow.verifier) <= 128
    assert flow.state not in repr(flow)


def test_a_flow_comes_back_as_it_was_until_its_end() -> None:
    flow = flows.begin("i1", "/usage", NOW)
    packed = flows.pack(flow, RING)
    assert flow.state not in packed
    assert flows.unpack(packed, flow.state, "i1", RING, flow.expires_at - 1) == flow
    for state, provider, ring, now, reason in (
        (flow.state, "i1", RING, flow.expires_at, "state_expired"),
        ("other", "i1", RING, NOW, "wrong_state"),
        (flow.state, "i2", RING, NOW, "wrong_state"),
        (flow.state, "i1", KeyRing({1: b"x" * 32}), NOW, "state_missing"),
    ):
        with pytest.raises(RejectedError) as error:
            flows.unpack(packed, state, provider, ring, now)
        assert error.value.reason == reason
    # Sealed for another purpose, it is nothing here.
    elsewhere = RING.seal(b"{}", "another place")
    with pytest.raises(RejectedError):
        flows.unpack(elsewhere.hex(), flow.state, "i1", RING, NOW)


@given(st.text(max_size=300))
def test_no_text_is_a_flow(text: str) -> None:
    with pytest.raises(RejectedError):
        flows.unpack(text, "state", "i1", RING, NOW)


@pytest.mark.parametrize("path", ["/", "/usage?range=7d", "/projects/alpha#members", "/a//b"])
def test_a_path_of_ours_is_kept(path: str) -> None:
    assert flows.local_path(path) == path


@given(st.text(max_size=60))
def test_nowhere_else_is_gone_to(text: str) -> None:
    for wanted in (text, f"/{text}", f"//{text}", f"/\\{text}"):
        path = flows.local_path(wanted)
        assert path.startswith("/")
        assert not path.startswith(("//", "/\\", "/api/"))
        assert path.isascii()
        assert path.isprintable()
        assert "\\" not in path
