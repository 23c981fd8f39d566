"""Groups of readers as the cluster knows them: what they are called, and how far behind they are.

Each (stream, group) is a group of the cluster's, so that a reader of one stream never waits for those of another.
"""

from collections.abc import Iterable, Mapping

Partition = tuple[str, int]
"""Topic and number."""


def group_id(prefix: str, group: str, stream: str) -> str:
    """ "wirewatch.match.articles.backfill". Raises ``ValueError`` for a group with a dot in its name."""
    if not group or "." in group:
        raise ValueError(f"{group!r} cannot be the name of a group: it must not have a dot")
    return f"{prefix}{group}.{stream}"


def ours(prefix: str, group_ids: Iterable[str]) -> Mapping[tuple[str, str], str]:
    """By (stream, group): those that ``group_id`` may have made. Others may share the cluster, and the prefix."""
    found: dict[tuple[str, str], str] = {}
    for one in group_ids:
        group, _, stream = one.removeprefix(prefix).partition(".")
        if one.startswith(prefix) and group and stream:
            found[stream, group] = one
    return found


def behind(
    topic: str, committed: Mapping[Partition, int], first: Mapping[Partition, int], end: Mapping[Partition, int]
) -> int | None:
    """Records of the topic from ``committed``, else from the first one, to the end; None where there is no such topic.

    Each by partition. What the cluster has forgotten is not counted.
    """
    partitions = [one for one in end if one[0] == topic]
    if not partitions:
        return None
    return sum(max(0, end[one] - max(committed.get(one, 0), first[one])) for one in partitions)
