"""`sekisho users`: the way back in, with a server and without one."""

import pytest

from tests.e2e.people.visitors import LONG_S, PASSWORD, Visitor, link_of
from tests.support.product import CommandError, Product, eventually

pytestmark = pytest.mark.e2e

NEW = "another sentence, longer than before"


def refused(product: Product, *words: str, input: str | None = None) -> str:
    with pytest.raises(CommandError) as error:
        product.cli(*words, input=input)
    return error.value.code


def test_an_account_from_its_beginning_to_its_end(product: Product) -> None:
    link_of(product)
    made = product.cli(
        "users", "create", "Mika@Example.org", "--name", "Mika", "--role", "owner", "--password-stdin", input=f"{PASSWORD}\n"
    )
    assert (made["email"], made["role"], made["active"]) == ("mika@example.org", "owner", True)
    with Visitor(product) as mika, Visitor(product) as elsewhere:
        assert mika.log_in("mika@example.org").status_code == 200
        assert elsewhere.log_in("mika@example.org").status_code == 200
        # There is always an owner.
        assert refused(product, "users", "set-role", "mika@example.org", "user") == "LAST_OWNER"
        assert refused(product, "users", "deactivate", made["id"]) == "LAST_OWNER"
        product.cli("users", "create", "two@example.org", "--name", "Two", "--role", "owner", "--password-stdin", input=PASSWORD)
        # A demotion is true for the next request.
        assert mika.ask("GET", "/api/users").status_code == 200
        assert product.cli("users", "set-role", "MIKA@example.org", "guest")["role"] == "guest"
        assert mika.ask("GET", "/api/users").status_code == 403
        assert mika.good("GET", "/api/auth/me")["user"]["role"] == "guest"
        # Logged out everywhere, and back in.
        assert product.cli("users", "end-sessions", "mika@example.org") == {"ended": 2}
        assert not mika.is_in
        assert [each.log_in("mika@example.org").status_code for each in (mika, elsewhere)] == [200, 200]
        # A new password ends what the old one opened.
        product.cli("users", "reset-password", "mika@example.org", "--password-stdin", input=NEW)
        assert not mika.is_in
        assert not elsewhere.is_in
        assert mika.log_in("mika@example.org").status_code == 401
        assert mika.log_in("mika@example.org", NEW).status_code == 200
        product.cli("users", "deactivate", "mika@example.org")
        assert not mika.is_in
        assert mika.log_in("mika@example.org", NEW).json()["error"]["code"] == "account_deactivated"
        # And without a server the same.
        product.stop()
        assert product.cli("users", "activate", "mika@example.org")["active"] is True
        listed = product.cli("users", "list", "--role", "guest")["users"]
        assert [each["email"] for each in listed] == ["mika@example.org"]
        product.start()
        # The console's door opens a moment after the gateway's.
        eventually(lambda: mika.log_in("mika@example.org", NEW).status_code == 200, "a login", LONG_S, explain=lambda: product.output)
    said = product.stdout + product.stderr
    assert PASSWORD not in said
    assert NEW not in said


def test_what_is_wrong_is_said_before_anything_happens(product: Product) -> None:
    link_of(product)
    base = ("users", "create", "mika@example.org", "--name", "Mika")
    assert refused(product, *base) == "USAGE"
    assert refused(product, *base, "--password-stdin", input="") == "USAGE"
    assert refused(product, *base, "--password-stdin", input="short") == "PASSWORD_TOO_SHORT"
    assert refused(product, *base, "--role", "king", "--password-stdin", input=PASSWORD) == "USAGE"
    assert refused(product, "users", "create", "nowhere", "--name", "M", "--password-stdin", input=PASSWORD) == "INVALID_VALUE"
    assert refused(product, "users", "set-role", "nobody@example.org", "admin") == "USER_NOT_FOUND"
    assert refused(product, "users", "deactivate", "nobody") == "USER_NOT_FOUND"
    assert product.cli("users", "list")["users"] == []
