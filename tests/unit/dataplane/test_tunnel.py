"""What comes joined from the node goes out as it was meant."""

import pytest

from sekisho.dataplane.tunnel import JOINTS

SESSION = b"sekisho-4001=eyJ.a-b_c; HttpOnly; Max-Age=604800; Path=/; SameSite=strict"
DATED = b"kept=x; expires=Wed, 21 Oct 2026 07:28:00 GMT; Path=/"
QUOTED = rb'words="one\054 two=three"; Path=/'


@pytest.mark.parametrize("cookies", [[SESSION], [DATED], [QUOTED], [SESSION, DATED], [DATED, QUOTED, SESSION], [b"empty=", b"__Host-a=b"]])
def test_joined_cookies_are_told_apart(cookies: list[bytes]) -> None:
    assert JOINTS.split(b", ".join(cookies)) == cookies
