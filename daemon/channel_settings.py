"""What each kind of channel needs to be told. Secrets are named, never written: ``*_env`` or ``*_file``."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from consumers.set_times import quiet_hours
from daemon.errors import ConfigError


class Section(BaseModel):
    """A table of a settings file: frozen, no unknown keys, and no value of it in any error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def beside_the_file(path: Path | None, info: ValidationInfo) -> Path | None:
    """A relative path counts from the folder of the settings file; ``~`` is the home folder."""
    if path is None:
        return None
    folder: Path = (info.context or {}).get("folder", Path.cwd())
    return (folder / path.expanduser()).absolute()


def _nothing(value: object) -> object:
    """An empty text names no file."""
    return None if value == "" else value


def _hours(value: str) -> str:
    """In their one spelling."""
    return quiet_hours(value).text if value.strip() else ""


FilePath = Annotated[Path | None, AfterValidator(beside_the_file)]
Filled = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is. Its value is read when it is needed, and is nowhere in this object."""

    name: str
    env: str
    file: Path | None

    @property
    def given(self) -> bool:
        return bool(self.env or self.file)

    def reveal(self) -> str:
        """Raises ``ConfigError`` where the variable is not set or the file cannot be read."""
        if self.env:
            value = os.environ.get(self.env, "").strip()
            if not value:
                raise ConfigError(f"the environment variable {self.env} is not set: set it before the daemon starts")
            return _one_line(value, f"the environment variable {self.env}")
        if self.file is None:
            raise ConfigError(f"no secret is named: set {self.name}_env or {self.name}_file")
        try:
            value = self.file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the secret file {self.file} cannot be read: check {self.name}_file") from error
        if not value:
            raise ConfigError(f"the secret file {self.file} is empty: put the secret on its first line")
        return _one_line(value, f"the secret file {self.file}")


def _one_line(value: str, where: str) -> str:
    """Raises ``ConfigError`` for what no header and no address can carry, and does not repeat it."""
    if not value.isprintable():
        raise ConfigError(f"{where} holds a line break or a control character: a secret is one line")
    return value


def one_of(**given: bool) -> None:
    """Exactly one of these was named. Raises ``ValueError`` with a sentence."""
    names = " or ".join(given)
    if sum(given.values()) != 1:
        raise ValueError(f"set {names}" if not any(given.values()) else f"set only one of {names}")


def one_at_most(**given: bool) -> None:
    """No more than one of these was named. Raises ``ValueError`` with a sentence."""
    if sum(given.values()) > 1:
        raise ValueError(f"set only one of {' or '.join(given)}")


def readable(path: Path | None, key: str) -> None:
    """Raises ``ConfigError`` where a file is named under ``key`` that cannot be read."""
    if path is None:
        return
    try:
        path.open("rb").close()
    except OSError as error:
        raise ConfigError(f"the file {path} cannot be read ({error.strerror}): check it", key=key) from error


class ChannelSection(Section):
    """What every kind has. ``quiet_hours``: as ``consumers.set_times`` reads them, or empty."""

    quiet_hours: Annotated[str, AfterValidator(_hours)] = ""
    template: Annotated[FilePath, BeforeValidator(_nothing)] = None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Those that are named."""
        found = (getattr(self, name) for name in _SECRETS if name in dir(type(self)))
        return tuple(secret for secret in found if isinstance(secret, Secret) and secret.given)


_SECRETS = ("token", "app_token", "signing_secret", "webhook_url", "password", "address_secret", "secret")


def _api(value: str) -> str:
    if not value.startswith(("http://", "https://")) or not value.endswith("/"):
        raise ValueError('write the address of the Web API, as in "https://slack-gov.com/api/"')
    return value


class ConsoleChannel(ChannelSection):
    type: Literal["console"] = "console"


class SlackChannel(ChannelSection):
    """A bot token with a channel, or an incoming webhook (which can neither thread nor be asked after a crash).

    What people press arrives by Socket Mode, with an app token, or at a request URL, with a signing secret.
    """

    type: Literal["slack"]
    token_env: str = ""
    token_file: FilePath = None
    channel: str = ""
    webhook_url_env: str = ""
    webhook_url_file: FilePath = None
    app_token_env: str = ""
    app_token_file: FilePath = None
    signing_secret_env: str = ""
    signing_secret_file: FilePath = None
    api_url: Annotated[str, AfterValidator(_api)] = "https://slack.com/api/"  # GovSlack has another one

    @property
    def token(self) -> Secret:
        return Secret("token", self.token_env, self.token_file)

    @property
    def app_token(self) -> Secret:
        return Secret("app_token", self.app_token_env, self.app_token_file)

    @property
    def signing_secret(self) -> Secret:
        return Secret("signing_secret", self.signing_secret_env, self.signing_secret_file)

    @property
    def webhook_url(self) -> Secret:
        return Secret("webhook_url", self.webhook_url_env, self.webhook_url_file)

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        one_of(
            token_env=bool(self.token_env),
            token_file=bool(self.token_file),
            webhook_url_env=bool(self.webhook_url_env),
            webhook_url_file=bool(self.webhook_url_file),
        )
        if self.token.given and not self.channel:
            raise ValueError('set channel as well, as in channel = "#desk"')
        one_at_most(app_token_env=bool(self.app_token_env), app_token_file=bool(self.app_token_file))
        one_at_most(
            signing_secret_env=bool(self.signing_secret_env), signing_secret_file=bool(self.signing_secret_file)
        )
        if not self.token.given and (self.app_token.given or self.signing_secret.given):
            raise ValueError("buttons need a bot token: set token_env or token_file, and channel")
        return self


class EmailChannel(ChannelSection):
    type: Literal["email"]
    host: Filled
    port: Annotated[int, Field(ge=0, le=65535)] = 0  # 0: 587 for starttls, 465 for tls, 25 for none
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password_env: str = ""
    password_file: FilePath = None
    sender: Filled
    recipients: Annotated[tuple[Filled, ...], Field(min_length=1)]

    @property
    def password(self) -> Secret:
        return Secret("password", self.password_env, self.password_file)

    @property
    def smtp_port(self) -> int:
        return self.port or {"starttls": 587, "tls": 465, "none": 25}[self.security]

    @model_validator(mode="after")
    def _user_and_password(self) -> Self:
        if self.password_env and self.password_file:
            raise ValueError("set only one of password_env or password_file")
        if bool(self.username) != self.password.given:
            raise ValueError("username goes with password_env or password_file: set both or neither")
        if self.username and self.security == "none":
            raise ValueError('a password would travel in the clear: set security = "starttls" or "tls"')
        return self


class AddressedChannel(ChannelSection):
    """One that is reached under an address, which may be a secret."""

    url: str = ""
    url_env: str = ""
    url_file: FilePath = None

    @property
    def address(self) -> str:
        """Raises ``ConfigError`` where it is kept in a variable or a file that cannot be read."""
        return self.url or self.address_secret.reveal()

    @property
    def address_secret(self) -> Secret:
        return Secret("url", self.url_env, self.url_file)

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        one_of(url=bool(self.url), url_env=bool(self.url_env), url_file=bool(self.url_file))
        return self


class WebhookChannel(AddressedChannel):
    """Signed as in the Standard Webhooks specification (standardwebhooks.com)."""

    type: Literal["webhook"]
    secret_env: str = ""
    secret_file: FilePath = None

    @property
    def secret(self) -> Secret:
        return Secret("secret", self.secret_env, self.secret_file)

    @field_validator("template")
    @classmethod
    def _worded_by_its_receiver(cls, value: Path | None) -> Path | None:
        if value is not None:
            raise ValueError("a webhook is sent JSON, which a template would spoil: leave it out")
        return value

    @model_validator(mode="after")
    def _proper(self) -> Self:
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError("url begins with https:// or http://")
        if self.secret_env and self.secret_file:
            raise ValueError("set only one of secret_env or secret_file")
        return self


class AppriseChannel(AddressedChannel):
    """Any service that Apprise knows, by one address of it; most addresses hold a password, and are kept like one."""

    type: Literal["apprise"]

    @model_validator(mode="after")
    def _proper(self) -> Self:
        if self.url and "://" not in self.url:
            raise ValueError('url is an address of Apprise, as in "ntfys://ntfy.sh/our-desk"')
        return self


ChannelSettings = Annotated[
    ConsoleChannel | SlackChannel | EmailChannel | WebhookChannel | AppriseChannel,
    Field(discriminator="type"),
]
CHANNEL_TYPES: dict[str, type[ChannelSection]] = {
    "console": ConsoleChannel,
    "slack": SlackChannel,
    "email": EmailChannel,
    "webhook": WebhookChannel,
    "apprise": AppriseChannel,
}
