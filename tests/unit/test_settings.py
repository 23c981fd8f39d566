"""wirewatch.toml: defaults, what is refused, and the sentence that says why."""

import re
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from daemon.channel_settings import (
    CHANNEL_TYPES,
    AppriseChannel,
    ChannelSection,
    ConsoleChannel,
    EmailChannel,
    SlackChannel,
    WebhookChannel,
)
from daemon.errors import ConfigError
from daemon.log.broker import StreamPlan
from daemon.settings import Settings, load_settings, parse_settings
from daemon.units import format_duration, parse_duration, parse_size

SHIPPED = Path(__file__).parents[2] / "config" / "wirewatch.toml"
FILE = Path("/etc/wirewatch/wirewatch.toml")


def parse(text: str) -> Settings:
    return parse_settings(text, FILE)


def refusal(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert "\n" not in str(caught.value)
    return caught.value


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    settings = load_settings(tmp_path / "wirewatch.toml")
    assert settings.fetch.timeout == 30.0
    assert settings.fetch.max_wire == 10_000_000
    assert settings.channel["console"].type == "console"
    assert settings.data.dir == tmp_path / "data"


def test_the_shipped_file_says_exactly_the_defaults() -> None:
    assert parse_settings(SHIPPED.read_text("utf-8"), FILE) == parse("")


def section(name: str) -> str:
    """The lines of the shipped file from [name] to the next table, examples of channels among them."""
    (text,) = re.findall(rf"^\[{name}\]\n(.*?)(?=^\[|^# ---|\Z)", SHIPPED.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return str(text)


def test_the_shipped_file_mentions_every_key_of_every_section() -> None:
    """With its value; a key that is nothing by default (a file, a variable) as a comment that shows how to write it."""
    shown = tomllib.loads(SHIPPED.read_text("utf-8"))
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys = field.annotation.model_fields
            nothing = {key for key in keys if keys[key].default is None or key.endswith("_env")}
            commented = set(re.findall(r"(?:^# |# or )(\w+) = \"", section(name), re.MULTILINE))
            assert set(shown[name]) == set(keys) - nothing, f"[{name}]"
            assert commented == nothing, f"[{name}]"


def test_the_commented_keys_of_the_shipped_log_and_store_are_valid_when_uncommented(tmp_path: Path) -> None:
    for name, besides in (("log", {"tls": "true", "sasl": '"scram-sha-512"', "username": '"w"'}), ("store", {})):
        lines = section(name).splitlines()
        commented = [line.removeprefix("# ") for line in lines if re.match(r"# \w+ = ", line)]
        changed = [f"{key} = {value}" for key, value in besides.items()]
        assert len(commented) == len(set(re.findall(r"^# (\w+) = ", section(name), re.MULTILINE)))
        parse("\n".join([f"[{name}]", *commented, *changed]))


def test_the_shipped_file_mentions_every_key_of_every_channel() -> None:
    text = SHIPPED.read_text("utf-8")
    for kind, model in CHANNEL_TYPES.items():
        assert f'type = "{kind}"' in text
        for key in model.model_fields:
            assert re.search(rf"\b{key}\b", text), f"{kind}: {key}"


def test_the_commented_examples_of_the_shipped_file_are_valid_when_uncommented() -> None:
    _, examples = SHIPPED.read_text("utf-8").split('[channel.console]\ntype = "console"')
    lines = [line.removeprefix("# ") for line in examples.splitlines() if line.startswith("# ")]
    settings = parse("\n".join(lines))
    assert isinstance(settings.channel["desk"], SlackChannel)
    assert isinstance(settings.channel["incoming"], SlackChannel)
    assert isinstance(settings.channel["mail"], EmailChannel)
    assert isinstance(settings.channel["hook"], WebhookChannel)
    assert isinstance(settings.channel["pager"], AppriseChannel)


def test_an_unknown_key_is_refused_with_its_line_and_the_nearest_name() -> None:
    error = refusal('[data]\ndir = "x"\n\n[fetch]\nper_host = 2\ntimout = "30s"\n')
    assert (error.line, error.key) == (6, "fetch.timout")
    assert str(error) == f'{FILE}:6: fetch.timout: there is no such key, did you mean "timeout"?'


def test_an_unknown_section_is_refused() -> None:
    error = refusal('[fetsch]\ntimeout = "30s"\n')
    assert (error.line, error.key) == (1, "fetsch")
    assert 'did you mean "fetch"?' in str(error)


def test_of_several_mistakes_the_first_in_the_file_is_told() -> None:
    assert refusal('[web]\nlisten = "nowhere"\n[fetch]\nper_host = 0\n').line == 2


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[fetch]\ntimeout = 30\n", 2, "write a duration with its unit"),
        ("[fetch]\ntimeout = 30.5\n", 2, "write a duration with its unit"),
        ('[fetch]\ntimeout = "0s"\n', 2, "greater than 0"),
        ('[fetch]\ntimeout = "half an hour"\n', 2, 'as in "15m"'),
        ("[fetch]\nmax_wire = 10\n", 2, "write a size with its unit"),
        ("[fetch]\nper_host = true\n", 2, "write a whole number"),
        ('[fetch]\nallow_networks = ["10.0.0.0/8", "10.0.0.1/8"]\n', 2, "has host bits set"),
        ('[fetch]\nmin_interval = "2d"\n', 1, "have to grow in this order"),
        ('[web]\nlisten = "8470"\n', 2, "127.0.0.1:8470"),
        ('[log]\nurl = "mysql:"\n', 2, 'write "sqlite:"'),
        ('[log]\nurl = "kafka://b"\n', 2, '"kafka://broker-1:9092,broker-2:9092"'),
        ('[log]\nurl = "kafka://b:65536"\n', 2, '"kafka://broker-1:9092,broker-2:9092"'),
        ('[log]\nurl = "kafka://b:9092,"\n', 2, '"kafka://broker-1:9092,broker-2:9092"'),
        ('[log]\nurl = "b:9092"\n', 2, '"kafka://broker-1:9092,broker-2:9092"'),
        ('[log]\nprefix = "wire watch."\n', 2, "made of letters, digits"),
        ('[log]\ncreate = "no"\n', 2, "write true or false"),
        ("[log]\npartitions = 0\n", 2, "greater than or equal to 1"),
        ('[log]\nmax_record = "63kB"\n', 2, "greater than or equal to 64000"),
        ('[log]\ncompression = "snappy"\n', 2, '"none", "gzip" or "zstd"'),
        ("[log]\nreplication = 1\n", 1, "with min_insync = 2 of replication = 1: set min_insync = 1"),
        ('[log]\nsasl = "oauthbearer"\n', 2, '"scram-sha-256"'),
        ('[log]\nsasl = "scram-sha-512"\nusername = "w"\n', 1, "username and password_env or password_file"),
        ('[log]\nsasl = "scram-sha-512"\npassword_env = "P"\n', 1, "username and password_env or password_file"),
        ('[log]\nusername = "w"\npassword_env = "P"\n', 1, 'set sasl as well: "plain"'),
        ('[log]\nsasl = "plain"\nusername = "w"\npassword_env = "P"\n', 1, "in the clear: set tls = true"),
        ('[log]\ntls = true\ncert_file = "c"\n', 1, "cert_file goes with key_file"),
        ('[log]\nca_file = "ca.pem"\n', 1, "nothing would be encrypted: set tls = true"),
        ('[log]\npassword_env = "P"\npassword_file = "p"\n', 1, "set only one of password_env or password_file"),
        ('[store]\nurl = "postgresql://h"\n', 2, '"postgresql://user@host:5432/database"'),
        ('[store]\nurl = "mysql://h/d"\n', 2, '"postgresql://user@host:5432/database"'),
        ("[store]\nconnections = 0\n", 2, "greater than or equal to 1"),
        ('[store]\npassword_env = "P"\npassword_file = "p"\n', 1, "set only one of password_env or password_file"),
        ("[workers]\nlease = 10\n", 2, "write a duration with its unit"),
        ('[web]\npublic_url = "wirewatch.example.org"\n', 2, "https://wirewatch.example.org"),
        ("fetch = 3\n", 1, "write a table"),
        ("[channel]\ndesk = 3\n", 2, "table"),
        ('[channel."my desk"]\ntype = "console"\n', 1, "a channel's name"),
        ('[channel.console]\ntype = "webhook"\nurl = "https://x.example"\n', 1, "belongs to the terminal"),
        ('[channel.desk]\ntype = "slak"\n', 1, '"slack"'),
        ("[channel.desk]\n", 1, '"slack"'),
        ('[channel.desk]\ntype = "slack"\ntoken_env = "T"\n', 1, "set channel as well"),
        ('[channel.desk]\ntype = "slack"\nchannel = "#a"\n', 1, "set token_env or token_file or"),
        ('[channel.desk]\ntype = "slack"\nchannels = "#a"\ntoken_env = "T"\n', 3, 'did you mean "channel"?'),
        ('[channel.mail]\ntype = "email"\nhost = "h"\nsender = "s"\n', 1, "this key is needed"),
        ('[channel.mail]\ntype = "email"\nhost = "h"\nsender = "s"\nrecipients = []\n', 5, "at least 1 item"),
        ('[channel.hook]\ntype = "webhook"\nurl = "ftp://x"\n', 1, "https://"),
        (
            '[channel.console]\ntype = "console"\nquiet_hours = "22:00-07:00"\n',
            3,
            "name the zone that the time is of, as in",
        ),
        ('[channel.console]\ntype = "console"\nquiet_hours = "22:00-07:00 Paris"\n', 3, 'did you mean "Europe/Paris"?'),
        ('[channel.console]\ntype = "console"\nquiet_hours = "00:00-24:00 UTC"\n', 3, "never end"),
        ('[channel.console]\ntype = "console"\nquiet_hours = 22\n', 3, "write text in quotes"),
        ('[channel.console]\ntype = "console"\nquiet_hour = ""\n', 3, 'did you mean "quiet_hours"?'),
        ('[channel.console]\ntype = "console"\ntemplate = 3\n', 3, "write a path in quotes"),
        ('[channel.desk]\ntype = "slack"\nwebhook_url_env = "U"\napp_token_env = "A"\n', 1, "buttons need a bot token"),
        (
            '[channel.desk]\ntype = "slack"\nwebhook_url_env = "U"\nsigning_secret_file = "s"\n',
            1,
            "buttons need a bot token",
        ),
        (
            '[channel.desk]\ntype = "slack"\ntoken_env = "T"\nchannel = "a"\napp_token_env = "A"\napp_token_file = "a"',
            1,
            "set only one of app_token_env or app_token_file",
        ),
        ('[channel.pager]\ntype = "apprise"\n', 1, "set url or url_env or url_file"),
        ('[channel.pager]\ntype = "apprise"\nurl = "json://x"\nurl_env = "U"\n', 1, "set only one of url or url_env"),
        ('[channel.pager]\ntype = "apprise"\nurl = "ntfy.sh"\n', 1, "an address of Apprise"),
        ('[channel.pager]\ntype = "aprise"\n', 1, '"webhook" or "apprise"'),
        ('[alerts]\noperator = "ops"\n', 2, "there is no [channel.ops]"),
        ("[fetch\n", 1, "not valid TOML"),
        ('a = 1\nb = "x\n', 2, "not valid TOML"),
        ("x = [1,\n2", 2, "not valid TOML"),
    ],
)
def test_a_wrong_value_is_told_with_its_line_and_what_to_write(text: str, line: int, words: str) -> None:
    error = refusal(text)
    assert words in str(error)
    assert error.line == line
    assert error.file == str(FILE)


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("token", "slack"),
        ("app_token", "slack"),
        ("signing_secret", "slack"),
        ("webhook_url", "slack"),
        ("password", "email"),
        ("secret", "webhook"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(key: str, kind: str) -> None:
    error = refusal(f'[channel.desk]\ntype = "{kind}"\n{key} = "xoxb-very-secret"\n')
    assert f"{key}_env" in str(error)
    assert f"{key}_file" in str(error)
    assert error.line == 3
    assert "very-secret" not in str(error)
    assert error.__cause__ is None


@pytest.mark.parametrize("name", ["log", "store"])
def test_a_password_of_the_log_or_the_store_in_the_file_is_refused_and_not_repeated(name: str) -> None:
    error = refusal(f'[{name}]\npassword = "very-secret"\n')
    assert (error.line, error.key) == (2, f"{name}.password")
    assert "password_env" in str(error)
    assert "very-secret" not in str(error)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("log", "kafka://w:very-secret@b:9092"),
        ("store", "postgresql://w:very-secret@h:5432/d"),
        ("store", "postgresql://w@h:5432/d?password=very-secret"),
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(name: str, url: str) -> None:
    error = refusal(f'[{name}]\nurl = "{url}"\n')
    assert error.line == 2
    assert "very-secret" not in str(error)
    assert error.__cause__ is None


SECURED = """[log]
url = "kafka://b1:9092,[::1]:9093/"
tls = true
ca_file = "ca.pem"
sasl = "scram-sha-512"
username = "w"
password_file = "kafka-password"
"""


def test_a_cluster_is_made_of_its_keys_and_its_password_stays_out_of_sight(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("made up")
    (tmp_path / "kafka-password").write_text("very-secret\n")
    settings = parse_settings(SECURED, tmp_path / "wirewatch.toml")
    broker = settings.log.broker("wirewatch-1")
    assert broker is not None
    assert broker.servers == ("b1:9092", "[::1]:9093")
    assert (broker.client, broker.ca_file, broker.sasl) == ("wirewatch-1", tmp_path / "ca.pem", "scram-sha-512")
    assert broker.password == "very-secret"
    assert "very-secret" not in repr(broker) + repr(settings)


@pytest.mark.parametrize(
    "url", ["postgresql://w@h:5432/d?sslmode=verify-full", "postgresql://w@/d?host=/run/postgresql"]
)
def test_a_database_is_reached_over_the_network_or_through_a_socket(url: str) -> None:
    assert parse(f'[store]\nurl = "{url}"\n').store.external


def test_without_a_cluster_there_is_none_to_be_made_and_no_secret_is_read() -> None:
    assert parse("").log.broker() is None
    assert parse('[store]\npassword_env = "WIREWATCH_NEVER_SET"\n').store.password() == ""


def test_a_certificate_or_password_that_is_away_says_which_key_named_it(tmp_path: Path) -> None:
    settings = parse_settings(SECURED, tmp_path / "wirewatch.toml")
    with pytest.raises(ConfigError, match=r"log\.ca_file: the file .*ca\.pem cannot be read \(No such file"):
        settings.log.broker()
    (tmp_path / "ca.pem").write_text("made up")
    with pytest.raises(ConfigError, match="check password_file"):
        settings.log.broker()


def test_streams_are_planned_from_the_log_and_the_retention() -> None:
    settings = parse('[log]\npartitions = 3\nreplication = 1\nmin_insync = 1\n[retention]\nlog = "2d"\n')
    assert settings.stream_plan == StreamPlan(partitions=3, replication=1, min_insync=1, retention=2 * 86400.0)
    assert parse("").stream_plan == StreamPlan()


def test_a_relative_secret_file_lies_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "slack-token").write_text("xoxb-1\n")
    text = '[channel.desk]\ntype = "slack"\ntoken_file = "slack-token"\nchannel = "#a"\n'
    desk = parse_settings(text, tmp_path / "wirewatch.toml").channel["desk"]
    assert isinstance(desk, SlackChannel)
    assert desk.token.reveal() == "xoxb-1"
    assert "xoxb" not in repr(desk)


def test_a_secret_of_two_lines_is_refused_and_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "slack-token").write_text("xoxb-1\nxoxb-2\n")
    text = '[channel.desk]\ntype = "slack"\ntoken_file = "slack-token"\nchannel = "#a"\n'
    desk = parse_settings(text, tmp_path / "wirewatch.toml").channel["desk"]
    assert isinstance(desk, SlackChannel)
    with pytest.raises(ConfigError, match="slack-token holds a line break") as raised:
        desk.token.reveal()
    assert "xoxb" not in str(raised.value)


def test_a_secret_that_cannot_be_had_says_where_it_was_looked_for(tmp_path: Path) -> None:
    text = '[channel.desk]\ntype = "slack"\nchannel = "#a"\n'
    absent = parse_settings(text + 'token_file = "gone"\n', tmp_path / "wirewatch.toml").channel["desk"]
    unset = parse(text + 'token_env = "WIREWATCH_NEVER_SET"\n').channel["desk"]
    assert isinstance(absent, SlackChannel)
    assert isinstance(unset, SlackChannel)
    with pytest.raises(ConfigError, match="gone"):
        absent.token.reveal()
    with pytest.raises(ConfigError, match="WIREWATCH_NEVER_SET"):
        unset.token.reveal()


def test_quiet_hours_are_kept_in_their_one_spelling() -> None:
    console = parse(
        '[channel.console]\ntype = "console"\nquiet_hours = " 22:00 - 7:00 europe/paris Mon-Fri"\n'
    ).channel["console"]
    assert console.quiet_hours == "22:00-07:00 Europe/Paris weekdays"
    assert parse('[channel.console]\ntype = "console"\nquiet_hours = " "\n') == parse("")


def test_a_template_lies_beside_the_settings_and_an_empty_name_is_none(tmp_path: Path) -> None:
    text = '[channel.console]\ntype = "console"\ntemplate = "templates/desk.j2"\n'
    assert parse_settings(text, tmp_path / "w.toml").channel["console"].template == tmp_path / "templates" / "desk.j2"
    assert parse('[channel.console]\ntype = "console"\ntemplate = ""\n') == parse("")


def test_every_kind_of_channel_has_quiet_hours_and_a_template() -> None:
    for kind in CHANNEL_TYPES.values():
        assert issubclass(kind, ChannelSection)


def test_every_secret_of_a_channel_is_known_as_one(tmp_path: Path) -> None:
    """A key NAME_env goes with a NAME_file; what both name is among the secrets once one of them is given."""
    for kind, model in CHANNEL_TYPES.items():
        for name in [key.removesuffix("_env") for key in model.model_fields if key.endswith("_env")]:
            assert f"{name}_file" in model.model_fields, f"{kind}: {name}"
            for key in (f"{name}_env", f"{name}_file"):
                values: dict[str, Any] = {"type": kind, key: tmp_path}
                channel = model.model_construct(**values)
                assert [secret.name for secret in channel.secrets] == [name], f"{kind}: {key}"
    assert ConsoleChannel().secrets == ()


def test_an_address_of_apprise_may_be_a_secret(tmp_path: Path) -> None:
    (tmp_path / "pager-url").write_text("pover://user@token\n")
    text = '[channel.pager]\ntype = "apprise"\nurl_file = "pager-url"\n'
    pager = parse_settings(text, tmp_path / "wirewatch.toml").channel["pager"]
    assert isinstance(pager, AppriseChannel)
    assert pager.address == "pover://user@token"
    assert "token" not in repr(pager)


def test_a_password_never_travels_in_the_clear() -> None:
    mail = '[channel.mail]\ntype = "email"\nhost = "h"\nsender = "s"\nrecipients = ["r"]\n'
    error = refusal(mail + 'security = "none"\nusername = "u"\npassword_env = "P"\n')
    assert "in the clear" in str(error)


def test_the_port_of_a_mail_server_follows_its_security() -> None:
    for security, port in (("starttls", 587), ("tls", 465), ("none", 25)):
        mail = f'type = "email"\nhost = "h"\nsender = "s"\nrecipients = ["r"]\nsecurity = "{security}"\n'
        channel = parse(f"[channel.mail]\n{mail}").channel["mail"]
        assert isinstance(channel, EmailChannel)
        assert channel.smtp_port == port


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse("").fetch.timeout = 1.0


def test_a_file_that_is_no_text_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "wirewatch.toml"
    file.write_bytes(b"[fetch]\n# caf\xe9\n")
    with pytest.raises(ConfigError, match="UTF-8") as caught:
        load_settings(file)
    assert caught.value.line == 2


def test_a_mark_at_the_start_that_some_editors_write_is_no_mistake(tmp_path: Path) -> None:
    file = tmp_path / "wirewatch.toml"
    file.write_bytes(b'\xef\xbb\xbf[fetch]\r\ntimeout = "5s"\r\n')
    assert load_settings(file).fetch.timeout == 5.0


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "wirewatch.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path / "wirewatch.toml")


words = st.sampled_from(
    ["[fetch]", "[channel.a]", "[[fetch]]", "=", "timeout", "type", '"slack"', '"30s"', "[", "]", "{", "}", "1", "\n"]
)
almost_toml = st.lists(words | st.text(max_size=3), max_size=20).map(" ".join)


@settings(deadline=None)  # a busy machine is no mistake
@given(st.text(max_size=200) | almost_toml)
def test_whatever_stands_in_the_file_there_are_settings_or_one_sentence(text: str) -> None:
    with suppress(ConfigError):  # the one error there is; any other fails the test
        parse(text)


def test_nesting_without_end_is_refused() -> None:
    assert "nested too deeply" in str(refusal("a = " + "[" * 100_000))


@settings(deadline=None)  # a busy machine is no mistake
@given(st.integers(1, 10**6), st.sampled_from(["s", "m", "h", "d", "w"]))
def test_a_duration_reads_back(number: int, unit: str) -> None:
    seconds = parse_duration(f"{number}{unit}")
    assert parse_duration(format_duration(seconds)) == seconds


def test_sizes_count_in_thousands_and_with_an_i_in_1024s() -> None:
    assert parse_size("10MB") == 10_000_000
    assert parse_size("1.5 GiB") == 1_610_612_736


def test_a_model_that_is_named_by_a_path_lies_beside_the_settings(tmp_path: Path) -> None:
    text = '[model]\nname = "models/e5"\nrerank = "./ranker"\n'
    model = parse_settings(text, tmp_path / "wirewatch.toml").model
    assert (model.name, model.rerank) == (str(tmp_path / "models" / "e5"), str(tmp_path / "ranker"))
    assert parse('[model]\nname = "all-MiniLM-L6-v2"\n').model.name == "all-MiniLM-L6-v2"
    assert parse("").model.rerank == ""


def test_the_digest_of_a_model_is_read_in_either_case_and_nothing_else_is_taken_for_one() -> None:
    assert parse(f'[model]\nsha256 = "{"A" * 64}"\n').model.sha256 == "a" * 64
    assert "64 digits" in str(refusal(f'[model]\nsha256 = "{"a" * 63}"\n'))
    assert refusal('[model]\nswitch = "never"\n').key == "model.switch"


@pytest.mark.parametrize("value", [r"a\r\nX-Evil: 1", "W\u00e4chter"])
def test_a_user_agent_that_cannot_travel_in_a_header_is_refused(value: str) -> None:
    assert "fetch.user_agent" in str(refusal(f'[fetch]\nuser_agent = "{value}"'))
