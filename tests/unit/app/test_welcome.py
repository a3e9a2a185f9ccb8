"""The first words of a start."""

import shlex

from sekisho.app import welcome


def test_the_line_to_paste_is_one_whole_command() -> None:
    words = shlex.split(welcome.curl_line("http://127.0.0.1:4000", "sk-sek-a-b"))
    assert words[:2] == ["curl", "http://127.0.0.1:4000/v1/chat/completions"]
    assert "Authorization: Bearer sk-sek-a-b" in words
    assert '"model": "sandbox/echo"' in words[-1]


def test_a_later_start_shows_no_key_and_says_nothing_of_engines() -> None:
    text = welcome.banner(gateway="http://g:1", console="http://c:2", home="/h", first_key=None, engines=None)
    assert "http://g:1/v1" in text
    assert "http://c:2" in text
    assert "Key" not in text
    assert "Engines" not in text


def test_engines_are_listed_a_line_each() -> None:
    text = welcome.banner(gateway="g", console="c", home="/h", first_key=None, engines=("Ollama at x", "vLLM at y"))
    lines = [line.strip() for line in text.splitlines()]
    assert "Engines   Ollama at x" in lines
    assert "vLLM at y" in lines
    assert "none found" in welcome.banner(gateway="g", console="c", home="/h", first_key=None, engines=())


def test_the_setup_link_is_shown_where_there_is_no_owner_and_its_secret_goes_to_no_server() -> None:
    text = welcome.banner(gateway="g", console="https://c:2", home="/h", first_key=None, engines=None, setup_token="secret")
    assert "  Setup     https://c:2/setup#secret\n" in text
    assert "opens once" in text
    assert "etup" not in welcome.banner(gateway="g", console="c", home="/h", first_key=None, engines=None)
