"""Which fetcher polls which feeds. Pure.

Feeds are dealt out by host, so that one process at a time is polite to a host, and in shards, so that there is a
bounded number of names to agree on. A shard belongs to the live fetcher with the highest hash of the two together
(rendezvous hashing): all who see the same fetchers agree without asking, and whoever joins or leaves moves only the
shards that it gets or had.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

SHARDS = 64  # never to be changed while fetchers of two releases run side by side
_SHARD = "shard/"
_FETCHER = "fetcher/"


@lru_cache(maxsize=100_000)  # asked again for every feed whenever a shard changes hands
def shard_of(host: str) -> int:
    """``host`` as ``urls.host_of`` names it: with and without "www." are one, and so are all its ports."""
    return _hash(host) % SHARDS


def owners(fetchers: Collection[str]) -> Mapping[int, str]:
    """The owner of every shard by right; none where there is no fetcher."""
    if not fetchers:
        return {}
    return {shard: max(fetchers, key=lambda name: (_hash(f"{name} {shard}"), name)) for shard in range(SHARDS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """``leave`` comes first: no new polls of these. Then ``release``, and then ``hold``: to claim, or to renew."""

    leave: frozenset[int]
    release: frozenset[int]
    hold: frozenset[int]


def next_move(
    *, right: Collection[int], owned: Collection[int], polled: Collection[int], busy: Collection[int]
) -> Move:
    """What to do about shards that are ours by ``right``, in fact (``owned``), in use (``polled``) or being polled.

    One that is no longer ours by right is kept while a poll of it is on its way.
    """
    surplus = frozenset(owned) - frozenset(right)
    return Move(
        leave=frozenset(polled) - frozenset(right),
        release=surplus - frozenset(busy),
        hold=frozenset(right) | surplus & frozenset(busy),
    )


# -- their leases


def shard_lease(shard: int) -> str:
    return f"{_SHARD}{shard}"


def fetcher_lease(worker: str) -> str:
    return f"{_FETCHER}{worker}"


def shards_in(leases: Collection[str]) -> frozenset[int]:
    return frozenset(int(name.removeprefix(_SHARD)) for name in leases if name.startswith(_SHARD))


def fetchers_in(leases: Collection[str]) -> frozenset[str]:
    return frozenset(name.removeprefix(_FETCHER) for name in leases if name.startswith(_FETCHER))


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
