"""T02, T03, T05, T24 to T28, T33 to T35: every message of the table, on both ports, sent in four ways."""

import pytest

from tests.e2e.door.campaigns import CUTS, PORTS, judge
from tests.e2e.door.cases import CASES, Case
from tests.e2e.door.conftest import Campaign, Door, errors_in

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.threat} {case.name}")
def test_a_message_meets_its_fate(case: Case, port: str, fought: Campaign) -> None:
    """One answer at most, with its status; the connection as said; of a refused message the upstream saw nothing."""
    wrong = {cut: judge(case, port, cut, fought.outcomes[case.name, port, cut], fought.seen) for cut in CUTS}
    assert not any(wrong.values()), {cut: sentences for cut, sentences in wrong.items() if sentences}


def test_the_upstream_saw_nothing_else(fought: Campaign) -> None:
    """No request reached it that is not one of the served messages, whole."""
    assert fought.strangers == []


def test_nothing_crashed(door: Door, fought: Campaign) -> None:
    """The log of supervisor, node and worker holds no error: every one of these messages is ordinary work."""
    assert fought.outcomes
    assert errors_in(door.product.stderr) == []


def test_the_table_is_as_large_as_promised() -> None:
    """At least sixty probes of the framing, each with a name of its own."""
    assert len({case.name for case in CASES}) == len(CASES)
    assert sum(case.threat == "T24" for case in CASES) >= 60
    assert {"T02", "T03", "T05", "T24", "T26", "T27", "T28", "T33", "T34", "T35"} <= {case.threat for case in CASES}
