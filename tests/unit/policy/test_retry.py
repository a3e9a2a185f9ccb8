"""Another candidate is tried only while the client has nothing and the fault may differ there."""

import pytest

from sekisho.core.policy.retry import again


def test_only_a_refused_credential_is_worth_another() -> None:
    assert [status for status in range(100, 600) if again(status, "", more=True, began_answer=False)] == [401, 402, 403, 429]


@pytest.mark.parametrize(
    ("code", "worth"),
    [
        ("upstream_unreachable", True),
        ("upstream_busy", True),
        ("upstream_cut", False),
        ("connect_timeout", False),
        ("request_timeout", False),
        ("upstream_tls_failed", False),
        ("upstream_invalid_response", False),
        ("client_gone", False),
        ("draining", False),
        ("", False),
    ],
)
def test_only_a_request_that_nobody_took_is_sent_again(code: str, worth: bool) -> None:
    assert again(0, code, more=True, began_answer=False) is worth


@pytest.mark.parametrize(("more", "began"), [(False, False), (True, True), (False, True)])
@pytest.mark.parametrize(("status", "code"), [(429, ""), (0, "upstream_unreachable")])
def test_never_without_another_or_after_the_first_byte(status: int, code: str, more: bool, began: bool) -> None:
    assert not again(status, code, more=more, began_answer=began)
