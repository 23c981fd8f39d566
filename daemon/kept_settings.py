"""Where the log and the store are kept, and how those places are reached."""

import re
from typing import Annotated, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, Field, model_validator

from daemon.channel_settings import FilePath, Secret, Section, one_at_most, readable
from daemon.log.broker import Broker, Compression, Sasl
from daemon.setting_types import Count, Size, Switch

KAFKA_SERVER = re.compile(r"(?:[^\s,/@:\[\]]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})")
STREAM_PREFIX = re.compile(r"[A-Za-z0-9._-]{0,80}")


def _log_url(url: str) -> str:
    if url == "sqlite:":
        return url
    found = [KAFKA_SERVER.fullmatch(server) for server in _servers(url)]
    if not url.startswith("kafka://") or any(server is None or int(server[1]) > 65535 for server in found):
        raise ValueError('write "sqlite:", which keeps it in the data folder, or "kafka://broker-1:9092,broker-2:9092"')
    return url


def _servers(url: str) -> tuple[str, ...]:
    return tuple(url.removeprefix("kafka://").rstrip("/").split(","))


def _prefix(value: str) -> str:
    if not STREAM_PREFIX.fullmatch(value):
        raise ValueError('a prefix is made of letters, digits, ".", "_" and "-", at most 80 of them')
    return value


def _store_url(url: str) -> str:
    if url == "sqlite:":
        return url
    parts = urlsplit(url)
    options = parse_qs(parts.query)
    if parts.scheme != "postgresql" or not (parts.hostname or "host" in options) or not parts.path.strip("/"):
        raise ValueError(
            'write "sqlite:", which keeps it in the data folder, or "postgresql://user@host:5432/database"'
        )
    if parts.password or any("password" in option for option in options):
        raise ValueError("a password is never written here: name it with password_env or password_file")
    return url


LogUrl = Annotated[str, AfterValidator(_log_url)]
StoreUrl = Annotated[str, AfterValidator(_store_url)]


class LogSettings(Section):
    """All but ``url`` is for Kafka."""

    url: LogUrl = "sqlite:"
    prefix: Annotated[str, AfterValidator(_prefix)] = "wirewatch."
    create: Switch = True
    partitions: Count = 12
    replication: Count = 3
    min_insync: Count = 2
    compression: Compression = "zstd"
    max_record: Annotated[Size, Field(ge=64_000)] = 900_000  # a topic, which is never cut, takes up to 30,000
    tls: Switch = False
    ca_file: FilePath = None
    cert_file: FilePath = None
    key_file: FilePath = None
    sasl: Sasl = ""
    username: str = ""
    password_env: str = ""
    password_file: FilePath = None

    @property
    def external(self) -> bool:
        """Several processes can share it."""
        return self.url != "sqlite:"

    @property
    def password(self) -> Secret:
        return Secret("password", self.password_env, self.password_file)

    def broker(self, client: str = "wirewatch") -> Broker | None:
        """The cluster, with its password read; None without one.

        Raises ``ConfigError`` for a secret, a certificate or a key that cannot be read.
        """
        if not self.external:
            return None
        for name in ("ca_file", "cert_file", "key_file"):
            readable(getattr(self, name), f"log.{name}")
        return Broker(
            servers=_servers(self.url),
            prefix=self.prefix,
            client=client,
            tls=self.tls,
            ca_file=self.ca_file,
            cert_file=self.cert_file,
            key_file=self.key_file,
            sasl=self.sasl,
            username=self.username,
            password=self.password.reveal() if self.sasl else "",
            compression=self.compression,
            max_record=self.max_record,
        )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.min_insync > self.replication:
            raise ValueError(
                f"no append could ever be acknowledged with min_insync = {self.min_insync} of replication = "
                f"{self.replication}: set min_insync = {max(1, self.replication - 1)}"
            )
        one_at_most(password_env=bool(self.password_env), password_file=bool(self.password_file))
        if self.sasl and not (self.username and self.password.given):
            raise ValueError("sasl goes with username and password_env or password_file: set all three")
        if self.username and not self.sasl:
            raise ValueError('set sasl as well: "plain", "scram-sha-256" or "scram-sha-512"')
        if self.sasl == "plain" and not self.tls:
            raise ValueError('the password would travel in the clear: set tls = true, or sasl = "scram-sha-512"')
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("cert_file goes with key_file: set both or neither")
        if (self.ca_file or self.cert_file) and not self.tls:
            raise ValueError("nothing would be encrypted: set tls = true, or leave out ca_file, cert_file and key_file")
        return self


class StoreSettings(Section):
    """All but ``url`` is for PostgreSQL."""

    url: StoreUrl = "sqlite:"
    password_env: str = ""
    password_file: FilePath = None
    connections: Count = 20

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        one_at_most(password_env=bool(self.password_env), password_file=bool(self.password_file))
        return self

    @property
    def external(self) -> bool:
        """Several processes can share it."""
        return self.url != "sqlite:"

    def password(self) -> str:
        """Empty where none is named: then libpq's own ways hold (PGPASSFILE, ~/.pgpass, a trusted socket).

        Raises ``ConfigError`` for a secret that is away.
        """
        secret = Secret("password", self.password_env, self.password_file)
        return secret.reveal() if self.external and secret.given else ""
