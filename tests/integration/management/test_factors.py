"""The second factor: asked for once it was shown to work, a code once, and a way back for who has lost it."""

import base64
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sekisho.identity.factors import codes
from tests.integration.management.house import House
from tests.integration.management.people import PASSWORD, Browser, claimed, logged_in, person

STEP = codes.STEP_SECONDS * 1_000_000
ASKED = {"current_password": PASSWORD}


def code_of(house: House, secret: str, steps: int = 0) -> str:
    return codes.code_at(base64.b32decode(secret), codes.step_of(house.clock.at) + steps)


def enabled(house: House, browser: Browser) -> tuple[str, list[str]]:
    """The secret and the recovery codes of somebody who has just set it up; their code of this step is used."""
    secret = browser.good("POST", "/api/auth/totp", ASKED)["secret"]
    recovery = browser.good("POST", "/api/auth/totp/confirm", {"code": code_of(house, secret)})["recovery_codes"]
    return secret, recovery


def login(house: House, code: str | None = None, email: str = "user@example.org") -> Any:
    return Browser(house).ask("POST", "/api/auth/login", {"email": email, "password": PASSWORD} | ({} if code is None else {"totp": code}))


def word(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_login_asks_for_a_code_from_the_moment_that_one_was_shown(house: House) -> None:
    claimed(house)
    user = person(house, "user")
    assert user.good("GET", "/api/auth/totp") == {"enabled": False, "confirmed_at": None, "recovery_codes": 0}
    told = user.good("POST", "/api/auth/totp", ASKED)
    address = urlsplit(told["otpauth_url"])
    assert parse_qs(address.query)["secret"] == [told["secret"]]
    assert address.path.endswith(":user@example.org")
    # Not yet: the picture may never have been scanned.
    logged_in(house, "user@example.org")
    assert user.refused(403, "POST", "/api/auth/totp/confirm", {"code": "000000"})["code"] == "totp_invalid"
    recovery = user.good("POST", "/api/auth/totp/confirm", {"code": code_of(house, told["secret"])})["recovery_codes"]
    assert len(set(recovery)) == 10
    standing = user.good("GET", "/api/auth/totp")
    assert (standing["enabled"], standing["recovery_codes"]) == (True, 10)
    assert word(login(house)) == (401, "totp_required")
    assert word(login(house, "000000")) == (401, "totp_invalid")
    house.clock.at += STEP
    assert login(house, code_of(house, told["secret"])).status_code == 200


def test_a_code_opens_once_and_none_before_it_does(house: House) -> None:
    claimed(house)
    secret, _ = enabled(house, person(house, "user"))
    assert word(login(house, code_of(house, secret))) == (401, "totp_invalid")
    house.clock.at += 2 * STEP
    code, before = code_of(house, secret), code_of(house, secret, -1)
    assert login(house, code).status_code == 200
    assert word(login(house, code)) == (401, "totp_invalid")
    assert word(login(house, before)) == (401, "totp_invalid")


def test_a_recovery_code_opens_once(house: House) -> None:
    claimed(house)
    user = person(house, "user")
    secret, recovery = enabled(house, user)
    assert login(house, recovery[3].upper().replace("-", " ")).status_code == 200
    assert word(login(house, recovery[3])) == (401, "totp_invalid")
    assert user.good("GET", "/api/auth/totp")["recovery_codes"] == 9
    house.clock.at += STEP
    renewed = user.good("POST", "/api/auth/totp/recovery-codes", {"code": code_of(house, secret)})["recovery_codes"]
    assert word(login(house, recovery[4])) == (401, "totp_invalid")
    assert login(house, renewed[0]).status_code == 200


def test_guesses_at_one_account_are_slowed_whichever_door_they_come_by(house: House) -> None:
    claimed(house)
    user = person(house, "user")
    secret, recovery = enabled(house, user)
    for _ in range(5):
        assert user.refused(403, "POST", "/api/auth/totp/disable", {"code": "000000"})["code"] == "totp_invalid"
    house.clock.at += STEP // 2
    answer = user.ask("POST", "/api/auth/totp/disable", {"code": code_of(house, secret, 1)})
    assert word(answer) == (429, "too_many_attempts")
    assert 1 <= int(answer.headers["retry-after"]) <= 30
    assert word(user.ask("POST", "/api/auth/totp/disable", {"code": recovery[0]})) == (429, "too_many_attempts")
    assert word(login(house, code_of(house, secret, 1))) == (429, "too_many_attempts")
    house.clock.at += 2 * STEP
    user.good("POST", "/api/auth/totp/disable", {"code": code_of(house, secret)})
    assert login(house).status_code == 200


def test_what_is_in_force_is_not_replaced_and_what_is_not_is_not_asked_for(house: House) -> None:
    claimed(house)
    user = person(house, "user")
    assert user.refused(409, "POST", "/api/auth/totp/confirm", {"code": "123456"})["code"] == "totp_not_begun"
    assert user.refused(409, "POST", "/api/auth/totp/disable", {"code": "123456"})["code"] == "totp_not_enabled"
    first = user.good("POST", "/api/auth/totp", ASKED)["secret"]
    secret = user.good("POST", "/api/auth/totp", ASKED)["secret"]
    assert first != secret
    user.refused(403, "POST", "/api/auth/totp/confirm", {"code": code_of(house, first)})
    user.good("POST", "/api/auth/totp/confirm", {"code": code_of(house, secret)})
    assert user.refused(409, "POST", "/api/auth/totp", ASKED)["code"] == "totp_enabled"


def test_who_lost_everything_is_let_in_by_who_looks_after_people_but_an_owner_by_an_owner_only(house: House) -> None:
    owner = claimed(house)
    user, admin = person(house, "user"), person(house, "admin")
    ids = {each: browser.good("GET", "/api/auth/me")["user"]["id"] for each, browser in {"user": user, "owner": owner}.items()}
    enabled(house, user)
    enabled(house, owner)
    assert user.refused(403, "DELETE", f"/api/users/{ids['owner']}/totp")["code"] == "permission_denied"
    assert admin.refused(403, "DELETE", f"/api/users/{ids['owner']}/totp")["code"] == "permission_denied"
    assert admin.good("DELETE", f"/api/users/{ids['user']}/totp") == {"enabled": False}
    assert admin.refused(409, "DELETE", f"/api/users/{ids['user']}/totp")["code"] == "totp_not_enabled"
    assert login(house).status_code == 200
    # The way back of last resort: on the host itself.
    house.good("DELETE", f"/api/users/{ids['owner']}/totp")
    assert login(house, email="owner@example.org").status_code == 200


def test_setting_it_up_asks_for_the_password(house: House) -> None:
    claimed(house)
    user = person(house, "user")
    for body in (None, {}):
        error = user.refused(422, "POST", "/api/auth/totp", body)
        assert (error["code"], error["param"]) == ("missing_field", "current_password")
    error = user.refused(403, "POST", "/api/auth/totp", {"current_password": "not this one"})
    assert (error["code"], error["param"]) == ("wrong_password", "current_password")
    assert user.refused(409, "POST", "/api/auth/totp/confirm", {"code": "123456"})["code"] == "totp_not_begun"
    user.good("POST", "/api/auth/totp", ASKED)


def test_no_secret_stands_anywhere(house: House) -> None:
    claimed(house)
    user = person(house, "user")
    secret, recovery = enabled(house, user)
    stored, audit = house.stored(), house.ask("GET", "/api/audit").text
    assert base64.b32decode(secret) not in stored
    for each in (secret, *recovery, recovery[0].replace("-", "")):
        assert each.encode() not in stored
        assert each not in audit
