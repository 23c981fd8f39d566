"""Times that people set: read in many spellings, written in one, and true to the clock on the wall of their zone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consumers.set_times import DAY, QuietHours, SetTimes, quiet_hours, set_times

ZONES = sorted(available_timezones() - {"localtime", "Factory"})
# Half an hour, two hours, at midnight, a minute after it, a day left out, in Ramadan: clocks are set in many ways.
ODD = (
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Africa/Casablanca",
    "Asia/Gaza",
)
WINDOW = 4 * DAY  # minutes


def at(written: str, zone: str = "UTC", fold: int = 0) -> float:
    return datetime.fromisoformat(written).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def shown(moment: float, zone: str) -> str:
    return datetime.fromtimestamp(moment, ZoneInfo(zone)).strftime("%a %Y-%m-%d %H:%M:%S")


def coming(times: SetTimes, after: float, count: int) -> list[str]:
    found = []
    for _ in range(count):
        after = times.next(after)
        found.append(shown(after, times.zone.key))
    return found


# -- how it is written


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("07:00 Europe/Paris weekdays", "07:00 Europe/Paris weekdays"),
        ("18:30, 7:00 utc", "07:00,18:30 UTC"),
        ("07:00 Europe/Paris, weekdays", "07:00 Europe/Paris weekdays"),
        ("07:00, 18:30, America/New York, Mon, Thu", "07:00,18:30 America/New_York Mon,Thu"),
        ("07:00 07:00 UTC", "07:00 UTC"),
        ("Mon,Thu 09:00 America/New_York", "09:00 America/New_York Mon,Thu"),
        ("09:00 Europe/Paris Mon-Fri", "09:00 Europe/Paris weekdays"),
        ("09:00 europe/paris Saturday, sundays", "09:00 Europe/Paris weekends"),
        ("  9:05   America/New York   fri - mon ", "09:05 America/New_York Mon,Fri,Sat,Sun"),
        ("00:00 Asia/Kathmandu daily", "00:00 Asia/Kathmandu"),
        ("06:00 America/Port-au-Prince weekends,Mon", "06:00 America/Port-au-Prince Mon,Sat,Sun"),
    ],
)
def test_set_times_are_read_in_many_spellings_and_written_in_one(written: str, text: str) -> None:
    assert set_times(written).text == text
    assert set_times(text) == set_times(written)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("22:00-07:00 Europe/Paris", "22:00-07:00 Europe/Paris"),
        ("22:00 – 7:00 Europe/Paris weekdays", "22:00-07:00 Europe/Paris weekdays"),
        ("UTC 00:00-24:00 weekends", "00:00-24:00 UTC weekends"),
        ("22:00-00:00 UTC", "22:00-24:00 UTC"),
        ("22:00-07:00, 12:00-13:00 UTC", "12:00-13:00,22:00-07:00 UTC"),
    ],
)
def test_quiet_hours_are_read_in_many_spellings_and_written_in_one(written: str, text: str) -> None:
    assert quiet_hours(written).text == text
    assert quiet_hours(text) == quiet_hours(written)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("", "name the time of day, as in"),
        ("weekends", "name the time of day, as in"),
        ("07:00 weekdays", "name the zone"),
        ("7 UTC", '"7" is no time of day'),
        ("7am UTC", '"7am" is no time of day'),
        ("24:00 UTC", '"24:00" is no time of day'),
        ("07:60 UTC", '"07:60" is no time of day'),
        ("07:00-09:00 UTC", '"07:00-09:00" is no time of day'),
        ("07:00 Paris", '"Paris" is no zone, did you mean "Europe/Paris"?'),
        ("07:00 New York", 'did you mean "America/New_York"?'),
        ("07:00 Europe/Pariss", 'did you mean "Europe/Paris"?'),
        ("07:00 PST", '"PST" is no zone, write an IANA name or "UTC", as in'),
        ("07:00 +02:00", '"+02:00" is no zone'),
        ("07:00 Europe", '"Europe" is no zone'),
        ("07:00 ../Paris", '"../Paris" is no zone'),
        ("07:00 UTC sometimes", '"sometimes" is neither a day nor a zone'),
        ("07:00 UTC Mon-Foo", '"Foo" is no day'),
        ("07:00 UTC Mon-weekends", '"weekends" is no day'),
        ("07:00 UTC Mon,,Tue", '"" is no day'),
    ],
)
def test_what_cannot_be_read_is_told_in_a_sentence(written: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$") as caught:
        set_times(written)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("07:00 UTC", '"07:00" has no end'),
        ("22:00-25:00 UTC", '"25:00" is no time of day'),
        ("24:00-07:00 UTC", '"24:00" is no time of day'),
        ("07:00-07:00 UTC", 'a whole day is "00:00-24:00"'),
        ("22:00-07:00", "name the zone"),
        ("00:00-24:00 UTC", "these hours never end"),
        ("00:00-12:00,12:00-24:00 UTC", "these hours never end"),
        ("08:00-08:00 UTC", "ends when it begins"),
    ],
)
def test_quiet_hours_that_cannot_be_are_told_in_a_sentence(written: str, words: str) -> None:
    with pytest.raises(ValueError, match="as in") as caught:
        quiet_hours(written)
    assert words in str(caught.value)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["07:00", "7:00-9:00", ",", "-", "UTC", "Mon", "weekdays", "Europe/Paris", "–", "0", ":"])
        | st.text(max_size=4)
    ).map(" ".join)
)
def test_whatever_is_written_it_is_read_or_refused_with_one_sentence(text: str) -> None:
    for read in (set_times, quiet_hours):
        try:
            found: SetTimes | QuietHours = read(text)
        except ValueError:  # the one error there is; any other fails the test
            continue
        assert read(found.text) == found


# -- when it is


def test_the_days_and_times_of_a_week_come_in_their_order() -> None:
    times = set_times("07:00,18:30 Europe/Paris Fri,Mon")
    assert coming(times, at("2026-11-19 12:00"), 5) == [
        "Fri 2026-11-20 07:00:00",
        "Fri 2026-11-20 18:30:00",
        "Mon 2026-11-23 07:00:00",
        "Mon 2026-11-23 18:30:00",
        "Fri 2026-11-27 07:00:00",
    ]


def test_the_moment_itself_is_not_later_than_itself() -> None:
    times = set_times("07:00 UTC")
    assert times.next(at("2026-11-20 07:00")) == at("2026-11-21 07:00")
    assert times.next(at("2026-11-20 07:00") - 0.001) == at("2026-11-20 07:00")


def test_a_time_that_the_clock_jumps_over_happens_when_it_jumps_and_once() -> None:
    times = set_times("02:15,02:45 Europe/Paris")  # on 29 March 2026 the clock goes from 02:00 to 03:00
    assert coming(times, at("2026-03-28 12:00"), 3) == [
        "Sun 2026-03-29 03:00:00",
        "Mon 2026-03-30 02:15:00",
        "Mon 2026-03-30 02:45:00",
    ]


def test_a_time_that_comes_twice_happens_the_first_time() -> None:
    times = set_times("02:30 Europe/Paris")  # on 25 October 2026 the clock goes from 03:00 back to 02:00
    first = times.next(at("2026-10-24 12:00"))
    assert first == at("2026-10-25 02:30", "Europe/Paris", fold=0)
    assert shown(times.next(first), "Europe/Paris") == "Mon 2026-10-26 02:30:00"


def test_on_a_day_that_was_left_out_it_happens_as_the_next_one_begins() -> None:
    times = set_times("07:00 Pacific/Apia Fri")  # Samoa had no 30 December 2011
    assert coming(times, at("2011-12-28 12:00"), 2) == ["Sat 2011-12-31 00:00:00", "Fri 2012-01-06 07:00:00"]


def test_quiet_hours_over_midnight_end_the_next_morning() -> None:
    quiet = quiet_hours("22:00-07:00 Europe/Paris weekdays")
    friday, morning = at("2026-11-20 23:00", "Europe/Paris"), at("2026-11-21 07:00", "Europe/Paris")
    assert quiet.until(friday) == morning
    assert quiet.until(morning - 1) == morning
    assert quiet.until(morning) is None
    assert quiet.until(friday + 86_400) is None  # those of Saturday night
    assert quiet.until(at("2026-11-20 22:00", "Europe/Paris")) == morning
    assert quiet.until(at("2026-11-20 22:00", "Europe/Paris") - 0.001) is None


def test_quiet_hours_that_touch_are_one() -> None:
    assert quiet_hours("00:00-24:00 UTC weekends").until(at("2026-11-21 09:00")) == at("2026-11-23 00:00")
    both = quiet_hours("18:00-08:00,00:00-12:00 UTC Sat")
    assert both.until(at("2026-11-21 09:00")) == at("2026-11-21 12:00")
    assert both.until(at("2026-11-21 20:00")) == at("2026-11-22 08:00")


def test_quiet_hours_do_not_begin_again_when_the_clock_is_set_back() -> None:
    quiet = quiet_hours("22:00-02:30 Europe/Paris")
    ended = at("2026-10-25 02:30", "Europe/Paris", fold=0)
    assert quiet.until(ended - 1800) == ended
    assert quiet.until(at("2026-10-25 02:15", "Europe/Paris", fold=1)) is None


def test_quiet_hours_inside_a_jump_of_the_clock_are_none() -> None:
    quiet = quiet_hours("02:10-02:50 Europe/Paris")
    jump = at("2026-03-29 01:00")
    assert [quiet.until(jump + each) for each in (-1, 0, 1)] == [None, None, None]


def test_times_far_ahead_are_found() -> None:
    assert set_times("07:00 Europe/Paris Mon").next(4e10) > 4e10


# -- against a clock that is watched minute by minute


def changes(zone: str, year: int) -> list[float]:
    """Midnights, UTC, before which the offset of a zone was another one."""
    where, start = ZoneInfo(zone), datetime(year, 1, 1, tzinfo=UTC)
    days = [start + timedelta(days=day) for day in range(367)]
    offsets = [day.astimezone(where).utcoffset() for day in days]
    return [days[n].timestamp() for n in range(1, 367) if offsets[n] != offsets[n - 1]]


@st.composite
def places(draw: st.DrawFn) -> tuple[str, float]:
    """A zone and a moment: often two days before its clock is set."""
    zone = draw(st.sampled_from(ODD) | st.sampled_from(ZONES))
    year = draw(st.integers(1975, 2037))  # since then all clocks differ by whole minutes
    set_on = changes(zone, year)
    near = draw(st.booleans()) or draw(st.booleans())
    if set_on and near:
        return zone, draw(st.sampled_from(set_on)) - 2 * 86_400
    return zone, at(f"{year}-01-01 00:00") + draw(st.integers(0, 365)) * 86_400


def watched(zone: str, start: float) -> Iterator[tuple[float, datetime, datetime]]:
    """Each minute of the window, the latest that the clock had shown a minute before, and has shown by now."""
    where = ZoneInfo(zone)
    latest = datetime.fromtimestamp(start - 86_400, where).replace(tzinfo=None)
    for minute in range(-DAY, WINDOW):
        moment = start + minute * 60
        before, latest = latest, max(latest, datetime.fromtimestamp(moment, where).replace(tzinfo=None))
        if minute >= 0:
            yield moment, before, latest


minutes = st.integers(0, 47).map(lambda half: half * 30) | st.integers(0, DAY - 1)
weekdays = st.sets(st.integers(0, 6), min_size=1)
NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def clock(of: int) -> str:
    return f"{of // 60:02}:{of % 60:02}"


@settings(deadline=None, max_examples=60)
@given(places(), st.sets(minutes, min_size=1, max_size=4), weekdays)
@example(("Pacific/Apia", at("2011-12-28 00:00")), {420, 0}, {4})
@example(("America/St_Johns", at("2010-11-05 00:00")), {0, 1, 1410}, {5, 6})
@example(("Australia/Lord_Howe", at("2026-10-02 00:00")), {120, 130, 150}, {6})
def test_it_happens_when_the_clock_first_shows_it_or_a_later_time(
    place: tuple[str, float], named: set[int], days: set[int]
) -> None:
    zone, start = place
    times = set_times(f"{','.join(map(clock, named))} {zone} {','.join(NAMES[day] for day in days)}")
    expected = []
    for moment, before, latest in watched(zone, start):
        day = before.replace(hour=0, minute=0)
        passed = [
            each
            for ahead in range(3)
            for minute in named
            for each in (day + timedelta(days=ahead, minutes=minute),)
            if before < each <= latest and each.weekday() in days
        ]
        expected += [moment] * bool(passed)
    found, now = [], start - 60.0
    while (now := times.next(now)) < start + WINDOW * 60:
        found.append(now)
    assert found == expected


@settings(deadline=None, max_examples=40)
@given(places(), minutes, minutes, weekdays)
@example(("Pacific/Apia", at("2011-12-28 00:00")), 1320, 420, {3, 4})
@example(("America/Sao_Paulo", at("2018-11-02 00:00")), 0, DAY, {6})
@example(("America/St_Johns", at("2010-11-05 00:00")), 0, 360, {6})
def test_quiet_hours_end_at_the_first_minute_that_is_not_quiet(
    place: tuple[str, float], start: int, end: int, days: set[int]
) -> None:
    zone, first = place
    if start == end or (len(days) == 7 and (start, end) == (0, DAY)):
        return
    quiet = quiet_hours(f"{clock(start)}-{clock(end)} {zone} {','.join(NAMES[day] for day in days)}")
    over = end if end > start else end + DAY
    states = []
    for moment, _, latest in watched(zone, first):
        midnight = latest.replace(hour=0, minute=0)
        spans = [midnight - timedelta(days=back) for back in (0, 1, 2)]
        inside = any(day.weekday() in days and start <= (latest - day).total_seconds() / 60 < over for day in spans)
        states.append((moment, inside))
    ended: float | None = None
    for moment, inside in reversed(states):
        ended = ended if inside else moment
        said = quiet.until(moment)
        assert (said is not None) is inside, shown(moment, zone)
        if inside and ended is not None:
            assert said == ended, shown(moment, zone)
