"""A Kafka cluster as the settings name it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Sasl = Literal["", "plain", "scram-sha-256", "scram-sha-512"]
Compression = Literal["none", "gzip", "zstd"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """How to reach the cluster. ``prefix`` begins every name an operator of the cluster sees: "wirewatch."."""

    servers: tuple[str, ...]  # "host:port"
    prefix: str = "wirewatch."
    client: str = "wirewatch"  # what this process is called in the cluster's own tools
    tls: bool = False
    ca_file: Path | None = None  # None: the authorities that this machine trusts
    cert_file: Path | None = None
    key_file: Path | None = None
    sasl: Sasl = ""
    username: str = ""
    password: str = field(default="", repr=False)
    compression: Compression = "zstd"
    max_record: int = 900_000  # bytes; a longer text is cut, with a mark


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlan:
    """How a stream is kept in the cluster. ``retention`` in seconds; a compacted stream keeps the last of each key."""

    partitions: int = 12
    replication: int = 3
    min_insync: int = 2
    retention: float = 7 * 86400.0
