"""`models`."""

from tests.unit.cli.conftest import Type
from tests.unit.cli.simulators import Node


def test_a_model_is_added_with_exact_prices(type_: Type, node: Node) -> None:
    data = type_("models", "add", "up/gpt-x", "--input-price", "0.15", "--output-price", "0.60").data
    assert node.bodies("POST", "/api/models") == [{"id": "up/gpt-x", "input_price": "0.15", "output_price": "0.60"}]
    assert data["id"] == "up/gpt-x"


def test_every_flag_has_its_field(type_: Type, node: Node) -> None:
    prices = ("--input-price", "1", "--output-price", "2", "--cached-input-price", "0.5")
    type_("models", "add", "up/a", *prices, "--upstream-model", "A", "--capabilities", "chat,embeddings", "--context-length", "8192")
    (body,) = node.bodies("POST", "/api/models")
    assert body == {
        "id": "up/a",
        "upstream_model": "A",
        "input_price": "1",
        "output_price": "2",
        "cached_input_price": "0.5",
        "capabilities": ["chat", "embeddings"],
        "context_length": 8192,
    }


def test_an_unpriced_model_is_marked(type_: Type, node: Node) -> None:
    type_("models", "add", "up/free")
    type_("models", "add", "up/paid", "--input-price", "0.15", "--output-price", "0.60")
    lines = type_("models", "list", "--format", "text").out.splitlines()
    assert any(line.startswith("up/free") and "unpriced" in line for line in lines)
    assert any(line.startswith("up/paid") and line.split()[-3:] == ["$0.15", "–", "$0.60"] for line in lines)


def test_a_list_of_one_provider(type_: Type, node: Node) -> None:
    for name in ("up/a", "down/a"):
        type_("models", "add", name)
    assert [each["id"] for each in type_("models", "list", "--provider", "down").data["models"]] == ["down/a"]
    assert "sekisho providers add" in type_("models", "list", "--provider", "none", "--format", "text").out


def test_ids_with_slashes_and_colons_reach_their_route(type_: Type, node: Node) -> None:
    type_("models", "add", "up/org/model:8b")
    outcome = type_(
        "models", "set-rate", "up/org/model:8b", "--input-price", "1", "--output-price", "2", "--currency", "EUR", "--format", "text"
    )
    assert outcome.out == "up/org/model:8b: €1.00 in, €2.00 out per million tokens\n"
    assert node.bodies("PUT", "/api/models/up/org/model:8b/rate") == [{"input_price": "1", "output_price": "2", "currency": "EUR"}]
    assert type_("models", "remove", "up/org/model:8b").exit_code == 0
    assert node.models == {}


def test_a_price_below_zero_or_too_fine_is_refused_before_it_is_sent(type_: Type, node: Node) -> None:
    for price in ("-1", "0.00001", "nan"):
        exit_code, code, message = type_("models", "set-rate", "up/a", "--input-price", price, "--output-price", "1").error
        assert (exit_code, code) == (1, "USAGE")
        assert "--input-price" in message
    assert node.requests == []
