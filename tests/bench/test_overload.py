"""More than can be done: when it is asked for, what is counted, what is drawn."""

from dataclasses import replace
from itertools import pairwise
from random import Random
from xml.etree import ElementTree

import pytest

from bench.docs import filled
from bench.overload import docs, figures
from bench.overload.__main__ import FULL
from bench.overload.arrivals import Stretch, arrivals, boundaries
from bench.overload.figures import Seen
from bench.overload.goals import GOALS
from bench.overload.load import GIVEN_UP, LOST, WRONG
from bench.overload.picture import MEASURES, draw
from bench.overload.report import SECTIONS, report
from bench.overload.results import GUARDED, UNGUARDED, Level, Results, Taken, ceiling
from bench.overload.scenarios import PEERS, SCENARIOS
from bench.overload.trial import Capacity, Settings, level, trial
from bench.overload.upstream import Workers
from bench.peers import Scene, fanin
from gateway import Gateway

LEVEL = Level(
    multiple=1.0, capacity=100.0, cost_us=1000.0, asked=100.0, good=90.0, shed=0.1, failed=0.0, given_up=0.0, p50_ms=10.0,
    p99_ms=20.0, shed_p99_ms=2.0, recovery=0.5, busy=0.5, rest_busy=0.3, late_ms=1.0,
)  # fmt: skip


def seen(due, latency=0.01, status=200):
    """A request that was asked on time."""
    return Seen(due, due, due + latency, status)


def steady(begins, ends, **more):
    """A hundred requests a second."""
    return [seen(begins + number / 100, **more) for number in range(round((ends - begins) * 100))]


@pytest.fixture
def results():
    scenarios = {"cpu": Taken(), "upstream": Taken()}
    for taken in scenarios.values():
        for guard in (GUARDED, UNGUARDED):
            taken.levels[guard] = [replace(LEVEL, multiple=multiple) for multiple in FULL.multiples]
    return Results({"cores": 2}, {"load": 4.0}, scenarios)


def test_requests_are_due_at_the_rate_of_each_stretch():
    """The load does not ask how the gateway is."""
    stretches = [Stretch(1000.0, 2.0), Stretch(4000.0, 1.0)]

    due = list(arrivals(stretches, Random(7)))

    assert due == sorted(due)
    assert sum(at < 2.0 for at in due) == pytest.approx(2000, rel=0.1)
    assert sum(2.0 <= at < 3.0 for at in due) == pytest.approx(4000, rel=0.1)
    assert list(boundaries(stretches)) == [0.0, 2.0, 3.0]


def test_requests_come_as_from_strangers():
    """The gaps of a Poisson process vary as much as they are long."""
    due = list(arrivals([Stretch(1000.0, 10.0)], Random(7)))
    gaps = [later - earlier for earlier, later in pairwise(due)]

    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5

    assert deviation == pytest.approx(mean, rel=0.1)


def test_a_latency_counts_from_when_a_request_was_due():
    """That nobody got around to sending it is no excuse."""
    late = Seen(due=1.0, noticed=1.5, ended=1.6, status=200)

    assert figures.latency_ms([late], 0.99) == pytest.approx(600)
    assert figures.lateness_ms([late]) == pytest.approx(500)


def test_percentiles_are_of_the_right_answers_alone():
    """To be turned away at once makes nothing quicker."""
    answered = [seen(number / 100, latency=number / 1000) for number in range(1, 101)]
    turned_away = [seen(number / 100, latency=0.0001, status=503) for number in range(900)]

    assert figures.latency_ms([*answered, *turned_away], 0.5) == pytest.approx(51)
    assert figures.latency_ms([*answered, *turned_away], 0.99) == pytest.approx(100)
    assert figures.latency_ms(turned_away, 0.99) is None


def test_goodput_is_what_comes_while_the_load_is_on():
    """What a queue gives back afterwards is not what could be done meanwhile."""
    queued = steady(0.0, 2.0, latency=1.0)

    assert figures.goodput(queued, 0.0, 2.0) == 50.0
    assert figures.goodput(steady(0.0, 2.0, status=503), 0.0, 2.0) == 0.0


def test_every_request_ends_in_one_way():
    """Right, turned away, given up; all else has failed."""
    ended = [seen(0.5, status=status) for status in (200, 503, 503, GIVEN_UP, 504, LOST, WRONG, 200)]

    figure = level(ended, 2.0, [Stretch(1, 0.25), Stretch(1, 0.5), Stretch(1, 0.25)], Capacity(10.0), 0.0, 0.0)

    assert (figure.shed, figure.given_up, figure.failed) == (2 / 8, 1 / 8, 3 / 8)
    assert (figure.asked, figure.good) == (16.0, 4.0)


def test_recovery_lasts_until_all_is_as_before():
    """Half a second of slow answers, then a quarter of good ones, then one bad window more: that is the last."""
    calm, slow, worse = steady(0.0, 1.0), steady(2.0, 2.5, latency=0.5), steady(2.75, 3.0, status=503)
    again = [*steady(2.5, 2.75), *steady(3.0, 4.0)]

    assert figures.recovery([*calm, *again, *slow, *worse], (0.0, 1.0), (2.0, 4.0)) == 1.0
    assert figures.recovery([*calm, *steady(2.0, 4.0)], (0.0, 1.0), (2.0, 4.0)) == 0.0


def test_what_has_not_recovered_by_the_end_has_not():
    """No figure is made up for it."""
    bad_at_the_end = [*steady(0.0, 1.0), *steady(2.0, 3.75), *steady(3.75, 4.0, latency=0.5)]

    assert figures.recovery(bad_at_the_end, (0.0, 1.0), (2.0, 4.0)) is None
    assert figures.recovery(steady(2.0, 4.0), (0.0, 1.0), (2.0, 4.0)) is None


def test_workers_do_one_thing_after_the_other():
    """Two of them at 100 ms do twenty a second, however many are asked for."""
    workers = Workers(2, 0.1)

    done = [workers.take(now) for now in (0.0, 0.0, 0.0, 0.05, 1.0)]

    assert done == pytest.approx([0.1, 0.1, 0.2, 0.2, 1.1])


@pytest.mark.parametrize(
    ("good", "multiple", "reached"), [(250, 2, 0.874), (250, 5, 0.495), (250, 10, 0.0), (620, 10, 0.574), (2500, 1, 1)]
)
def test_who_turns_away_by_itself_has_a_ceiling(good, multiple, reached):
    """A refusal of 28 µs is cheap, and not free."""
    assert ceiling(good, 28, multiple) == pytest.approx(reached, abs=0.001)


def test_what_a_refusal_costs_is_what_right_answers_leave():
    """Half a core for ninety of 1 ms and nine hundred refusals."""
    taken = Taken()

    assert taken.shed_us(replace(LEVEL, asked=1000.0, shed=0.9)) == pytest.approx((0.5 - 0.09) * 1e6 / 900)
    assert taken.shed_us(LEVEL) is None


def test_what_is_useful_does_not_depend_on_who_else_had_the_core():
    """Half a core with 450 right answers of 1 ms is as good as a whole one with 900."""
    taken = Taken()

    assert taken.useful(replace(LEVEL, good=450.0, busy=0.5)) == taken.useful(replace(LEVEL, good=900.0, busy=1.0)) == 0.9


def test_every_goal_is_told_or_said_not_to_be(results):
    """A level that was not measured holds nothing."""
    results.scenarios["cpu"].levels[GUARDED] = [replace(LEVEL, multiple=2.0, good=89.0)]

    found = {(goal.scenario, goal.multiple, goal.name): goal.row(results)[2:] for goal in GOALS}

    assert found["cpu", 2, "the gateway's core: goodput"] == ("89%", "**no**")
    assert found["cpu", 5, "the gateway's core: goodput"] == ("–", "–")
    assert found["upstream", 10, "limited upstream: p99 of the answered, against 0.5×"] == ("1.0", "yes")


def test_what_spoils_a_figure_stands_below_its_table(results):
    """A load that was late, one that was the bottleneck, and a core that others had a part of."""
    results.scenarios["cpu"].levels[UNGUARDED] = [replace(LEVEL, busy=0.99, rest_busy=0.97, late_ms=80.0)]
    results.scenarios["cpu"].levels[GUARDED] = [replace(LEVEL, busy=0.5)]

    text = report(results)

    assert "gateway's core at 1× guarded:" in text
    assert "was full at 1× unguarded:" in text
    assert "(99th percentile): 1× unguarded 80 ms." in text


def test_the_picture_has_every_series(results):
    """It is XML, and a line stands for each gateway in each panel, with a point for each level that has a value."""
    results.scenarios["cpu"].levels[UNGUARDED][-1] = replace(LEVEL, multiple=10.0, p99_ms=None)

    picture = ElementTree.fromstring(draw(results))

    lines = {line[0].text: line for line in picture.iterfind("{*}polyline")}
    assert set(lines) == {
        f"{name}, {guard}: {one.title}" for name in ("cpu", "upstream") for guard in (GUARDED, UNGUARDED) for one in MEASURES
    }
    points = {name: len(line.get("points").split()) for name, line in lines.items()}
    assert points.pop("cpu, unguarded: 99th percentile of the right answers") == 4
    assert set(points.values()) == {5}


def test_the_picture_keeps_within_its_frame(results):
    """Whatever the figures are."""
    for levels in results.scenarios["cpu"].levels.values():
        levels[0] = replace(LEVEL, multiple=0.5, good=100_000.0, p99_ms=1e9)

    circles = list(ElementTree.fromstring(draw(results)).iterfind("{*}circle"))

    assert min(float(circle.get("cy")) for circle in circles) > 0
    assert max(float(circle.get("cx")) for circle in circles) < 800


def test_results_read_back_as_they_were_written(results, tmp_path):
    """The page and its picture are made from the file alone."""
    results.save(tmp_path / "kept.json")

    assert Results.read(tmp_path / "kept.json") == results


@pytest.mark.parametrize("guard", [GUARDED, UNGUARDED])
def test_both_gateways_have_what_is_asked_for(guard, tmp_path, monkeypatch):
    """The comparison is between layers, not between endpoints."""
    origins = [f"http://127.0.0.1:{port}" for port in (9001, 9002, 9003, 9004)]
    for name, url in fanin.upstreams(origins).items():
        monkeypatch.setenv(name, url)
    scene = Scene(8080, origins, "", SCENARIOS[0].workload, tmp_path)

    options = PEERS[guard].command(scene).args
    plans = Gateway.load(options[options.index("--config") + 1]).plans

    assert [plan.path for plan in plans] == [f"{scenario.workload.path}{{id}}" for scenario in SCENARIOS]


def test_the_page_says_what_the_kept_run_found():
    """If not: `python -m bench.overload --write-docs`."""
    page, results = docs.PAGE.read_text(), Results.read(docs.KEPT)

    assert "<!-- bench: goals -->" in page
    assert filled(page, SECTIONS, results) == page
    assert draw(results) == docs.PICTURE.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_level_is_measured_from_calm_to_calm(scenario):
    """A real gateway and a real load, for a second: everything asked for is accounted for."""
    settings = Settings(before=0.3, load=0.5, after=0.3, calibration=0.1, multiples=(1.0,), is_compared=False)

    taken = trial(scenario, GUARDED, 1.0, settings)

    assert taken.capacity == scenario.capacity or scenario.capacity is None
    assert taken.asked > 0
    assert taken.good > 0
    assert taken.failed == 0.0
