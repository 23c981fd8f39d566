"""What a topic expects to alert, drawn from the archive, and which of its examples could not be read."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from daemon.cli.context import iso, plain

if TYPE_CHECKING:
    from consumers.model import Calibration, Topic
    from daemon.examples import Unread
    from daemon.store import Store


def calibration_of(store: "Store", topic_id: str) -> "Calibration | None":
    """Of the model in force; None while the shipped priors do."""
    from daemon.store.calibrations import Calibrations
    from daemon.store.models import Models, in_force

    model = in_force(Models(store).all())
    return Calibrations(store).latest(model.id, [topic_id]).get(topic_id) if model else None


def unread_of(store: "Store", topic: "Topic") -> "Sequence[Unread]":
    from daemon.examples import unread
    from daemon.store.examples import Examples

    return unread(topic, Examples(store))


def said(calibration: "Calibration | None") -> str:
    """ "about 2 alerts a day; last 30 days: 1.8 a day (drawn from 12,400 articles, 3 h ago)"."""
    from consumers.watch import about
    from daemon.status import ago

    if calibration is None or not calibration.articles:
        return "no archive to tell from yet: it goes by the shipped lines"
    told = "the archive is too young to say"
    if calibration.expected is not None:
        told = about(calibration.expected, "alert", "alerts")
    came = "" if calibration.came is None else f"; last 30 days: {calibration.came:.1f} a day"
    drawn = f"{calibration.articles:,} articles, {ago(max(0.0, time.time() - calibration.at))} ago"
    return f"{told}{came} (drawn from {drawn})"


def lines(calibration: "Calibration | None", unread: "Sequence[Unread]") -> list[str]:
    return [
        f"{'expects':16} {said(calibration)}",
        *(f"{'! example':16} {plain(each.ref)}: {plain(each.why)}" for each in unread),
    ]


def row(calibration: "Calibration | None", unread: "Sequence[Unread]") -> dict[str, Any]:
    drawn = None
    if calibration is not None:
        drawn = {
            "at": iso(calibration.at),
            "version": calibration.topic_version,
            "model": calibration.model,
            "articles": calibration.articles,
            "expected_a_day": calibration.expected,
            "came_a_day": calibration.came,
        }
    return {"calibration": drawn, "unread": [{"example": each.ref, "why": each.why} for each in unread]}
