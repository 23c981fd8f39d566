"""A week in which everything fails now and then: nothing is lost, nothing is told twice, everything comes in its order.

Made-up news goes through the real alerter, store, outbox and sender to a Slack and to a mail server on loopback, by a
clock that skips what nobody waits for. Alerter and sender die at random moments, Slack is slow, broken, out of reach,
without its channel and without its token. ``WIREWATCH_WEEKS="1-40"`` runs the weeks with these seeds in place of the
two that always run; a week takes some ten seconds. ``WIREWATCH_WEEKS=7 pytest -k lost`` asks one question about one.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from daemon.store.opening import open_store
from tests.week import Week
from tests.week_account import Account
from tests.week_checks import ABOUT_TELLING
from tests.week_checks_times import ABOUT_TIMES, missing
from tests.week_plan import Plan

_IN_MEMORY = Path("/dev/shm")  # what a disk takes to write is of no interest here


def _seeds(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


@pytest.fixture(scope="module", params=_seeds(os.environ.get("WIREWATCH_WEEKS", "1-2")), ids="week {}".format)
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    """What became of everything in one week."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))  # else thousands of lines
    with (
        tempfile.TemporaryDirectory(dir=_IN_MEMORY if _IN_MEMORY.is_dir() else None) as folder,
        closing(open_store("sqlite:", Path(folder))) as store,
    ):
        week = Week(request.param, store)
        Plan(week).make()
        week.run()
        yield Account(week)
    structlog.reset_defaults()


@pytest.mark.parametrize("check", [*ABOUT_TELLING, *ABOUT_TIMES], ids=lambda check: check.__name__)
def test_whatever_fails(check: Callable[[Account], Iterator[str]], account: Account) -> None:
    wrong = list(check(account))
    assert not wrong, f"not true {len(wrong)} times: {check.__doc__}\n" + "\n".join(wrong[:20])


def test_the_week_had_everything_in_it(account: Account) -> None:
    """Else what is checked would say nothing."""
    assert missing(account) == []
