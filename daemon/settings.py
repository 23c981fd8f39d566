"""The settings: frozen values with their defaults in the type, read from wirewatch.toml by one loader.

Durations are seconds and sizes are bytes here; people write "15m" and "10MB". Nothing else reads the file, and no
part of the daemon is handed the whole: each gets the plain values it needs.
"""

import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from daemon import __version__
from daemon.channel_settings import (
    CHANNEL_TYPES,
    ChannelSettings,
    FilePath,
    Filled,
    Secret,
    Section,
    beside_the_file,
)
from daemon.config_errors import did_you_mean, refused, validated
from daemon.log.broker import Broker, Compression, Sasl
from daemon.toml_file import read_text, read_toml
from daemon.units import parse_duration, parse_size

KAFKA_URL = re.compile(r"kafka://[^\s,/@:]+:\d{1,5}(,[^\s,/@:]+:\d{1,5})*/?")
CHANNEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


def _seconds(value: object) -> float:
    if not isinstance(value, str):
        raise ValueError('write a duration with its unit, in quotes, as in "15m"')  # noqa: TRY004 - pydantic's contract
    return parse_duration(value)


def _bytes(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError('write a size with its unit, in quotes, as in "10MB"')  # noqa: TRY004 - pydantic's contract
    return parse_size(value)


def _network(value: str) -> str:
    ip_network(value)
    return value


def _log_url(url: str) -> str:
    if url != "sqlite:" and not KAFKA_URL.fullmatch(url):
        raise ValueError('write "sqlite:", which keeps it in the data folder, or "kafka://broker-1:9092,broker-2:9092"')
    return url


def _store_url(url: str) -> str:
    if url == "sqlite:":
        return url
    parts = urlsplit(url)
    if parts.scheme != "postgresql" or not parts.hostname or not parts.path.strip("/"):
        raise ValueError(
            'write "sqlite:", which keeps it in the data folder, or "postgresql://user@host:5432/database"'
        )
    if parts.password:
        raise ValueError("a password is never written here: name it with password_env or password_file")
    return url


Duration = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
Wait = Annotated[float, BeforeValidator(_seconds)]  # a duration that may be nothing
Size = Annotated[int, BeforeValidator(_bytes), Field(gt=0)]
Count = Annotated[int, Field(ge=1, strict=True)]
Network = Annotated[str, AfterValidator(_network)]
LogUrl = Annotated[str, AfterValidator(_log_url)]
StoreUrl = Annotated[str, AfterValidator(_store_url)]


class DataSettings(Section):
    dir: Annotated[Path, AfterValidator(beside_the_file), Field(validate_default=True)] = Path("data")


class LogSettings(Section):
    """All but ``url`` is for Kafka."""

    url: LogUrl = "sqlite:"
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,80}$")] = "wirewatch."
    create: bool = True
    partitions: Count = 12
    replication: Count = 3
    min_insync: Count = 2
    compression: Compression = "lz4"
    max_record: Size = 900_000
    tls: bool = False
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
        """The cluster, with its password read; None without one. Raises ``ConfigError`` for a secret that is away."""
        if not self.external:
            return None
        return Broker(
            servers=tuple(self.url.removeprefix("kafka://").rstrip("/").split(",")),
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
            raise ValueError("min_insync cannot be more than replication: no append would ever be acknowledged")
        if self.sasl and not (self.username and self.password.given):
            raise ValueError("sasl goes with username and password_env or password_file: set all three")
        if self.username and not self.sasl:
            raise ValueError('set sasl as well: "plain", "scram-sha-256" or "scram-sha-512"')
        if self.sasl == "plain" and not self.tls:
            raise ValueError('the password would travel in the clear: set tls = true, or sasl = "scram-sha-512"')
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("cert_file goes with key_file: set both or neither")
        return self


class StoreSettings(Section):
    """All but ``url`` is for PostgreSQL."""

    url: StoreUrl = "sqlite:"
    password_env: str = ""
    password_file: FilePath = None
    connections: Count = 20

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


class WorkerSettings(Section):
    lease: Duration = 10.0


class FetchSettings(Section):
    timeout: Duration = 30.0
    max_wire: Size = 10_000_000
    max_decoded: Size = 30_000_000
    max_entries: Count = 500
    concurrency: Count = 100
    per_host: Count = 2
    host_gap: Wait = 5.0
    min_interval: Duration = 60.0
    default_interval: Duration = 900.0
    max_interval: Duration = 86400.0
    allow_networks: tuple[Network, ...] = ()
    parse_workers: Count = 2
    parse_timeout: Duration = 20.0
    parse_memory: Size = 512_000_000
    user_agent: Filled = f"Wirewatch/{__version__}"

    @field_validator("user_agent")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if not value.isascii() or not value.isprintable():
            raise ValueError("write it on one line, in ASCII: it travels in a header")
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.min_interval <= self.default_interval <= self.max_interval:
            raise ValueError("min_interval, default_interval and max_interval have to grow in this order")
        return self


class ModelSettings(Section):
    name: Filled = "all-MiniLM-L6-v2"
    device: Filled = "auto"


class AlertSettings(Section):
    settle: Wait = 0.5
    operator: Filled = "console"


class WebSettings(Section):
    listen: str = "127.0.0.1:8470"

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError('write an address and a port, as in "127.0.0.1:8470" or "[::1]:8470"')
        return value

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])


class RetentionSettings(Section):
    articles: Duration = 90 * 86400.0
    max_size: Size = 20_000_000_000
    seen: Duration = 365 * 86400.0
    log: Duration = 7 * 86400.0

    @model_validator(mode="after")
    def _seen_outlives_the_archive(self) -> Self:
        if self.seen < self.articles:
            raise ValueError("seen has to be at least as long as articles, or old items would be news again")
        return self


class Settings(Section):
    data: DataSettings
    log: LogSettings = LogSettings()
    store: StoreSettings = StoreSettings()
    fetch: FetchSettings = FetchSettings()
    model: ModelSettings = ModelSettings()
    alerts: AlertSettings = AlertSettings()
    web: WebSettings = WebSettings()
    retention: RetentionSettings = RetentionSettings()
    workers: WorkerSettings = WorkerSettings()
    channel: Mapping[str, ChannelSettings]


def fields_of(where: tuple[str | int, ...], document: Mapping[str, object]) -> type[Section] | None:
    """The type that says which keys may stand in the table at ``where``."""
    if not where:
        return Settings
    if where[0] == "channel":
        channels = document.get("channel")
        table = channels.get(where[1]) if len(where) == 2 and isinstance(channels, Mapping) else None
        kind = table.get("type") if isinstance(table, Mapping) else None
        return CHANNEL_TYPES.get(kind) if isinstance(kind, str) else None
    section = Settings.model_fields.get(str(where[0]))
    kind = section.annotation if section and len(where) == 1 else None
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def parse_settings(text: str, file: Path) -> Settings:
    """The settings in the text of ``file``; relative paths count from its folder. Raises ``ConfigError``."""
    document = read_toml(text, file)
    channels = document.get("channel", {})
    filled = {"data": {}, **document}
    if isinstance(channels, Mapping):
        filled["channel"] = {"console": {"type": "console"}, **channels}
    folder = file.absolute().parent
    settings = validated(Settings, filled, text=text, file=file, fields_of=fields_of, context={"folder": folder})
    problem = _problem(settings)
    if problem:
        raise refused(problem[1], problem[0], text=text, file=file)
    return settings


def _problem(settings: Settings) -> tuple[tuple[str, ...], str] | None:
    """What only the whole shows to be wrong, and where."""
    for name in settings.channel:
        if not CHANNEL_NAME.fullmatch(name):
            return ("channel", name), "a channel's name is made of letters, digits, - and _, at most 40 of them"
    if settings.channel["console"].type != "console":
        return ("channel", "console"), "this name belongs to the terminal: give the channel another one"
    operator = settings.alerts.operator
    if operator not in settings.channel:
        return ("alerts", "operator"), (
            f"there is no [channel.{operator}] in this file, {did_you_mean(operator, settings.channel)}"
        )
    return None


def load_settings(file: Path) -> Settings:
    """All defaults where there is no such file. Raises ``ConfigError``."""
    return parse_settings(read_text(file) if file.exists() else "", file)
