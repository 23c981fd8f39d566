"""What Slack lets one app ask for is shared by all of its channels, and outlives their settings."""

import pytest

from consumers.errors import Retry
from consumers.notify.slack_pace import EDITS_A_MINUTE, HISTORY_GAP, Paces
from tests.fake_channels import HeldClock


def test_channels_of_one_token_look_into_slacks_history_once_a_minute_together() -> None:
    clock = HeldClock()
    paces = Paces(clock.now)
    paces.of("xoxb-1").look()
    clock.advance(20)
    with pytest.raises(Retry) as early:
        paces.of("xoxb-1").look()
    assert early.value.after == pytest.approx(HISTORY_GAP - 20)
    paces.of("xoxb-2").look()
    clock.advance(HISTORY_GAP - 20)
    paces.of("xoxb-1").look()


def test_channels_of_one_token_share_its_edits() -> None:
    clock = HeldClock()
    paces = Paces(clock.now)
    for _ in range(EDITS_A_MINUTE):
        paces.of("xoxb-1").edit()
        clock.advance(0.1)
    with pytest.raises(Retry) as early:
        paces.of("xoxb-1").edit()
    clock.advance(early.value.after or 0.0)
    paces.of("xoxb-1").edit()
