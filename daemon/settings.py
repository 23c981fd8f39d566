"""The settings: frozen values with their defaults in the type, read from wirewatch.toml by one loader.

Durations are seconds and sizes are bytes here; people write "15m" and "10MB". Nothing else reads the file, and no
part of the daemon is handed the whole: each gets the plain values it needs.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from daemon import __version__
from daemon.channel_settings import CHANNEL_TYPES, ChannelSettings, Filled, Section, beside_the_file
from daemon.config_errors import did_you_mean, refused, validated
from daemon.kept_settings import LogSettings, StoreSettings
from daemon.log.broker import StreamPlan
from daemon.setting_types import Count, Duration, Network, Size, Wait
from daemon.toml_file import read_text, read_toml

PUBLIC_URL = re.compile(r"https?://\S+")
ROLES = ("fetch", "match", "alert", "web")
SHA256 = re.compile(r"[0-9a-f]{64}")
CHANNEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


def _public_url(value: str) -> str:
    if value and not PUBLIC_URL.fullmatch(value):
        raise ValueError('write the address that people reach the page under, as in "https://wirewatch.example.org"')
    return value


def _path_or_name(value: str, info: ValidationInfo) -> str:
    return str(beside_the_file(Path(value), info)) if "/" in value or value.startswith(("~", ".")) else value


def _sha256(value: str) -> str:
    if value and not SHA256.fullmatch(value.lower()):
        raise ValueError("write the SHA-256 of the model's weights: 64 digits and letters from a to f")
    return value.lower()


class DataSettings(Section):
    dir: Annotated[Path, AfterValidator(beside_the_file), Field(validate_default=True)] = Path("data")


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
    """``name`` and ``rerank``: what looks like a path counts from the folder of the settings file."""

    name: Annotated[Filled, AfterValidator(_path_or_name)] = "all-MiniLM-L6-v2"
    sha256: Annotated[str, AfterValidator(_sha256)] = ""
    device: Filled = "auto"
    switch: Literal["auto", "ask"] = "auto"
    rerank: Annotated[str, AfterValidator(_path_or_name)] = ""
    rerank_budget: Duration = 0.2


class AlertSettings(Section):
    settle: Wait = 0.5
    operator: Filled = "console"


class WebSettings(Section):
    listen: str = "127.0.0.1:8470"
    public_url: Annotated[str, AfterValidator(_public_url)] = ""

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

    @property
    def shared(self) -> bool:
        """Several processes can work on what is kept."""
        return self.log.external and self.store.external

    @property
    def stream_plan(self) -> StreamPlan:
        return StreamPlan(
            partitions=self.log.partitions,
            replication=self.log.replication,
            min_insync=self.log.min_insync,
            retention=self.retention.log,
        )

    def listen_for(self, roles: Collection[str]) -> str:
        """The page has its address; a process without one serves its health at any free port beside it."""
        return self.web.listen if "web" in roles else f"{self.web.listen.rpartition(':')[0]}:0"


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
