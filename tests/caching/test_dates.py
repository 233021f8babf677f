"""HTTP's dates."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.caching.dates import read_date

NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("text", "date"),
    [
        pytest.param("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777, id="usual"),
        pytest.param("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777, id="RFC 850"),
        pytest.param("Sun Nov  6 08:49:37 1994", 784_111_777, id="asctime"),
        pytest.param("SUN, 06 NOV 1994 08:49:37 gmt", 784_111_777, id="case"),
        pytest.param("Thursday, 18-Aug-50 02:01:18 GMT", 2_544_400_878, id="a year to come"),
        pytest.param("Sun, 21 Nov 2286 04:46:39 GMT", 10_000_039_599, id="far"),
        pytest.param("Thu, 18 Aug 2050 02:01:18 UTC", None, id="UTC"),
        pytest.param("Thu, 18 Aug 50 02:01:18 GMT", None, id="two digits"),
        pytest.param("Thu 18 Aug 2050 02:01:18 GMT", None, id="no comma"),
        pytest.param("Thu, 18  Aug  2050 02:01:18 GMT", None, id="spaces"),
        pytest.param("Thu, 18-Aug-2050 02:01:18 GMT", None, id="dashes"),
        pytest.param("Thu, 18 Aug 2050 02.01.18 GMT", None, id="periods"),
        pytest.param("Thu, 18 Aug 2050 2:01:18 GMT", None, id="one digit"),
        pytest.param("Thu, 31 Feb 2050 02:01:18 GMT", None, id="no such day"),
        pytest.param("Thu, 18 Aug 2050 25:01:18 GMT", None, id="no such hour"),
        pytest.param("0", None, id="zero"),
        pytest.param("", None, id="empty"),
    ],
)
def test_dates_have_three_forms(text: str, date: int | None) -> None:
    """And no other (RFC 9110, section 5.6.7)."""
    assert read_date(text, NOW) == date


@given(st.integers(0, 4_000_000_000))
def test_every_moment_is_read_as_it_is_written(moment: int) -> None:
    """To the second."""
    assert read_date(formatdate(moment, usegmt=True), NOW) == moment


@given(st.text(max_size=40))
def test_any_text_is_a_date_or_none(text: str) -> None:
    """Nothing is raised, whatever an upstream writes."""
    assert read_date(text, NOW) is None or len(text) > 20
