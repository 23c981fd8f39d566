"""A week in which everything fails now and then: nothing is lost, nothing is told twice, everything comes in its order.

Made-up news goes through the real alerter, store, outbox and sender to a Slack and to a mail server on loopback, by a
clock that skips what nobody waits for. Alerter and sender die at random moments, Slack is slow, broken, out of reach,
without its channel and without its token. `WIREWATCH_WEEKS="1-40"` runs the weeks with these seeds in place of the two
that always run; a week takes some ten seconds. `WIREWATCH_WEEKS=7 pytest -k lost` asks one question about one week.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from daemon.store.opening import open_store
from tests import week_checks
from tests.week import Week
from tests.week_checks import CHECKS, Account

_IN_MEMORY = Path("/dev/shm")  # where there is one: what a disk takes to write is of no interest here


def _seeds(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


@pytest.fixture(scope="module", params=_seeds(os.environ.get("WIREWATCH_WEEKS", "1-2")), ids="week {}".format)
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    """What became of everything in one week."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))  # thousands of lines
    with tempfile.TemporaryDirectory(dir=_IN_MEMORY if _IN_MEMORY.is_dir() else None) as folder:
        with closing(open_store("sqlite:", Path(folder))) as store:
            week = Week(request.param, store)
            week.run()
            yield Account(week)
    structlog.reset_defaults()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_week_of_failures_leaves_nothing(check: Callable[[Account], Iterator[str]], account: Account) -> None:
    wrong = list(check(account))
    assert not wrong, f"{len(wrong)} × not true: {check.__doc__}\n" + "\n".join(wrong[:20])


def test_the_week_had_everything_in_it(account: Account) -> None:
    """Or the checks would say nothing."""
    assert week_checks.missing(account) == []
