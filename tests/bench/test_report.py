"""Results: kept, judged, printed."""

import json
from dataclasses import replace

import pytest

from bench.docs import KEPT, PAGE, filled
from bench.goals import GOALS
from bench.report import SECTIONS, report
from bench.results import Measured, Results, Round, Watched

ROUND = Round(requests=100, cpu_us=100.0, per_second=1000.0, p50_ms=1.0, p99_ms=2.0, wrong=0, rest_busy=0.5)


def measured(*costs, **more):
    """A peer that cost so much in each round."""
    return Measured({32: [replace(ROUND, cpu_us=cost, **more) for cost in costs]})


@pytest.fixture
def results():
    return Results(machine={"cores": 2}, settings={"rounds": 2})


def goal(name):
    """The one goal whose name begins so."""
    [found] = [goal for goal in GOALS if goal.name.startswith(name)]
    return found


def test_a_cost_is_the_least_of_all_rounds(results):
    """Whatever disturbs a measurement adds to it."""
    results.workloads["aggregate-3"] = {"fanin": measured(120.0, 90.0, 100.0), "fastify": measured(180.0, 200.0)}

    assert goal("aggregate-3 against Node").measure(results) == 90.0 / 180.0
    assert goal("aggregate-3 against Node").is_reached(results)


def test_go_stands_in_for_krakend_only_where_there_is_none(results):
    """The goal is about KrakenD itself."""
    peers = results.workloads["aggregate-3"] = {"fanin": measured(100.0), "go": measured(200.0)}
    alone = goal("aggregate-3 against KrakenD").measure(results)
    peers["krakend"] = measured(400.0)

    assert (alone, goal("aggregate-3 against KrakenD").measure(results)) == (0.5, 0.25)


def test_each_call_costs_what_the_line_through_all_numbers_rises(results):
    """1, 3, 10 and 20 calls; how straight the line is, is a goal of its own."""
    for calls in (1, 3, 10, 20):
        results.workloads[f"aggregate-{calls}"] = {"fanin": measured(50.0 + 20.0 * calls)}

    assert goal("each further upstream call").measure(results) == pytest.approx(20.0)
    assert goal("from 1 to 20 calls").measure(results) == pytest.approx(0.0)


def test_throughput_is_told_only_where_two_workers_have_a_core_each(results):
    """On two cores one of them would share the load's."""
    results.workloads["aggregate-3"] = {"fanin": measured(100.0), "fanin-workers": measured(100.0, per_second=1900.0)}
    crowded = goal("two workers against one: requests").measure(results)
    results.machine["cores"] = 4

    assert crowded is None
    assert goal("two workers against one: requests").measure(results) == 1.9
    assert goal("two workers against one: requests").is_reached(results)


def test_memory_is_called_flat_after_a_million_requests_only(results):
    """A short soak says nothing about a leak."""
    results.soak = [Watched(step * 10_000, 60.0, 50) for step in range(1, 11)]
    short = goal("memory at the end").measure(results)
    results.soak = [Watched(step * 100_000, 50.0 + step, 50) for step in range(1, 11)]

    assert short is None
    assert goal("memory at the end").measure(results) == 60.0 / 52.0
    assert goal("memory at the end").is_reached(results) is False


def test_a_run_says_what_it_does_not_tell(results):
    """Every goal is in the report: with a figure, or by name."""
    results.workloads["aggregate-3"] = {"fanin": measured(100.0), "fastify": measured(200.0)}

    text = report(results)

    assert [goal.name for goal in GOALS if goal.name not in text] == []
    assert "Not told by this run" in text


def test_what_spoils_a_figure_stands_below_the_table(results):
    """Wrong answers, lost spans, and a load that was the bottleneck."""
    results.workloads["aggregate-3"] = {
        "fanin": measured(100.0, spans_lost=7),
        "nginx": measured(50.0, rest_busy=0.97),
        "go": measured(200.0, wrong=3),
    }

    text = report(results)

    assert "**Spans lost**: fanin 7." in text
    assert "was full with nginx:" in text
    assert "**Wrong answers**: go 3." in text


def test_results_read_back_as_they_were_written(results, tmp_path):
    """The page is filled from the file alone."""
    results.workloads["aggregate-3"] = {"fanin": measured(100.0)}
    results.soak = [Watched(1000, 60.0, 50)]

    results.save(tmp_path / "kept.json")

    assert Results.read(tmp_path / "kept.json") == results


def test_the_page_says_what_the_kept_run_found():
    """If not: `python -m bench --write-docs`."""
    page = PAGE.read_text()

    assert "<!-- bench: goals -->" in page
    assert filled(page, SECTIONS, Results.read(KEPT)) == page


def test_a_kept_run_names_no_host():
    """It says what the machine is like, not which it is."""
    assert json.loads(KEPT.read_text())["machine"].keys() == {"cores", "system", "python", "load average, start and end"}


def test_a_block_that_nobody_can_fill_is_refused(results):
    """A typo in the page must not keep an old table."""
    with pytest.raises(KeyError, match="agregate"):
        filled("<!-- bench: agregate -->\n<!-- end -->", SECTIONS, results)
