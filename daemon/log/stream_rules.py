"""Whether a setting that the cluster has is as good as the one that is wanted, and what happens where it is not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """``holds(value, wanted, copies)``; ``otherwise``: what happens where it does not."""

    holds: Callable[[str, str, int], bool]
    otherwise: str
    fatal: bool = True


def _in_sync(value: str, wanted: str, copies: int) -> bool:
    """No more than there are copies; where even ``wanted`` is more, the copies are what has to be repaired first."""
    return int(wanted) > copies or int(wanted) <= int(value) <= copies


RULES: Mapping[str, Rule] = {
    "cleanup.policy": Rule(
        holds=lambda value, wanted, _: value == wanted,
        otherwise="it would forget records that are still needed",
    ),
    "retention.ms": Rule(
        holds=lambda value, wanted, _: value == "-1" or int(value) >= int(wanted),
        otherwise="records would vanish before they have to, read or not",
    ),
    "retention.bytes": Rule(
        holds=lambda value, wanted, _: value == wanted,
        otherwise="records vanish when it has grown, read or not",
        fatal=False,
    ),
    "delete.retention.ms": Rule(
        holds=lambda value, wanted, _: int(value) >= int(wanted),
        otherwise="a worker that was away for longer would never hear of a removal",
    ),
    "min.insync.replicas": Rule(
        holds=_in_sync,
        otherwise="too few copies would count as durable, or no append would ever be acknowledged",
    ),
    "max.message.bytes": Rule(
        holds=lambda value, wanted, _: int(value) >= int(wanted),
        otherwise="it would refuse records that [log] max_record allows",
    ),
    "unclean.leader.election.enable": Rule(
        holds=lambda value, wanted, _: value == wanted,
        otherwise="a broker that missed records may become the leader, and they would be lost",
    ),
    "min.cleanable.dirty.ratio": Rule(
        holds=lambda value, wanted, _: float(value) <= float(wanted),
        otherwise="old versions stay long, and every start reads them",
        fatal=False,
    ),
    "segment.ms": Rule(
        holds=lambda value, wanted, _: int(value) <= int(wanted),
        otherwise="old versions stay long, and every start reads them",
        fatal=False,
    ),
}
