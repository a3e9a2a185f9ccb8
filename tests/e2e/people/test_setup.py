"""From an empty home to its owner: the link that a start prints, and what becomes of it."""

import pytest

from tests.e2e.people.visitors import LINK, LONG_S, Visitor, link_of
from tests.support.product import CommandError, Product, eventually

pytestmark = pytest.mark.e2e


def test_the_printed_link_makes_the_owner_once(product: Product) -> None:
    address, token = link_of(product)
    assert address == product.console_url
    with Visitor(product) as owner, Visitor(product) as late:
        assert owner.good("GET", "/api/setup")["claimed"] is False
        answer = owner.claim(token)
        assert answer.status_code == 201, answer.text
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"sekisho-{product.console_port}=")
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
        assert owner.is_in
        assert owner.good("POST", "/api/keys", {"label": "from the console"})["plain_key"].startswith("sk-sek-")
        assert late.claim(token).status_code == 409
        assert not late.is_in
        # The next start has nothing to claim, and the browser is still in.
        product.restart()
        eventually(lambda: product.stdout.count("Gateway") == 2, "the second start's words", LONG_S, explain=lambda: product.output)
        assert len(LINK.findall(product.stdout)) == 1
        assert owner.is_in
    with pytest.raises(CommandError) as refused:
        product.cli("users", "setup-link")
    assert refused.value.code == "ALREADY_CLAIMED"
    assert token not in product.stderr


def test_a_start_ends_the_link_before_and_so_does_the_command(product: Product) -> None:
    first = link_of(product)[1]
    product.restart()
    eventually(lambda: len(LINK.findall(product.stdout)) == 2, "another link", LONG_S, explain=lambda: product.output)
    second = link_of(product)[1]
    made = product.cli("users", "setup-link")["link"]
    found = LINK.fullmatch(made)
    assert found
    assert found[1] == product.console_url
    assert len({first, second, found[2]}) == 3
    with Visitor(product) as browser:
        assert [browser.claim(token).status_code for token in (first, second, found[2])] == [403, 403, 201]


def test_a_killed_node_logs_nobody_out(product: Product) -> None:
    with Visitor(product) as owner:
        assert owner.claim(link_of(product)[1]).status_code == 201
        killed = product.kill_node()
        eventually(lambda: product.status()["node"] not in (None, killed), "another node", LONG_S, explain=lambda: product.output)
        eventually(lambda: owner.ask("GET", "/api/auth/me").status_code == 200, "the same session", LONG_S, explain=lambda: product.output)


def test_a_restore_brings_no_session_back(product: Product) -> None:
    with Visitor(product) as owner:
        assert owner.claim(link_of(product)[1]).status_code == 201
        kept = dict(owner.client.cookies)
        backup = product.cli("backup", "create")["path"]
        owner.good("POST", "/api/auth/logout")
        product.stop()
        product.cli("backup", "restore", backup, "--yes")
        product.start()
        owner.client.cookies.update(kept)
        status = eventually(
            lambda: {401, 200} & {owner.ask("GET", "/api/auth/me").status_code}, "an answer", LONG_S, explain=lambda: product.output
        )
        assert status == {401}
        assert owner.log_in("owner@example.org").status_code == 200, "the account is there"


def test_the_link_command_needs_a_running_server(product: Product) -> None:
    link_of(product)
    product.stop()
    with pytest.raises(CommandError) as refused:
        product.cli("users", "setup-link")
    assert refused.value.code == "NOT_RUNNING"
