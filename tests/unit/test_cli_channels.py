"""``wirewatch channels preview`` and what ``config check`` says of templates, as typed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from daemon.cli import app
from daemon.store import Store
from daemon.store.opening import open_store
from tests.alert_samples import ALERT
from tests.fake_channels import put_alert

SETTINGS = """\
[channel.desk]
type = "slack"
token_env = "NO_SUCH_TOKEN"
channel = "#desk"
app_token_env = "NO_SUCH_TOKEN"
template = "desk.j2"
[channel.post]
type = "email"
host = "127.0.0.1"
sender = "alerts@example.org"
recipients = ["ana@example.org"]
[channel.phone]
type = "apprise"
url_env = "NO_SUCH_URL"
[channel.hook]
type = "webhook"
url = "http://127.0.0.1:9/hook"
"""


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "wirewatch.toml").write_text(SETTINGS)
    (tmp_path / "topics.toml").touch()
    (tmp_path / "feeds.toml").touch()
    (tmp_path / "desk.j2").write_text("*{{ headline }}* ({{ kind }})")
    return tmp_path


@pytest.fixture
def store(desk: Path) -> Iterator[Store]:
    store = open_store("sqlite:", desk / "data")
    yield store
    store.close()


def wirewatch(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["--config", str(folder), *words], catch_exceptions=False)


def test_without_any_alert_an_invented_one_is_shown_and_no_secret_is_needed(desk: Path) -> None:
    shown = wirewatch(desk, "channels", "preview", "desk")
    assert shown.exit_code == 0
    assert "Nothing is sent. This is an invented alert (first)" in shown.stdout
    assert "*Footbridge over the Elm collapses, many hurt* (first)" in shown.stdout
    assert "[Relevant] [Not relevant]" in shown.stdout


def test_json_has_what_slack_would_get(desk: Path) -> None:
    record = json.loads(wirewatch(desk, "channels", "preview", "desk", "--kind", "update", "--json").stdout)
    blocks = record["payload"]["blocks"]
    assert blocks[0]["text"]["text"] == "*Footbridge over the Elm collapses, many hurt* (update)"
    assert blocks[-1]["type"] == "actions"
    assert "Footbridge" in record["payload"]["text"]


@pytest.mark.parametrize("channel", ["console", "desk", "post", "phone", "hook"])
@pytest.mark.parametrize("kind", ["first", "update", "escalation", "digest"])
def test_every_channel_shows_every_kind(desk: Path, channel: str, kind: str) -> None:
    for words in ((), ("--json",)):
        shown = wirewatch(desk, "channels", "preview", channel, "--kind", kind, *words)
        assert shown.exit_code == 0
        assert "Footbridge over the Elm" in shown.stdout


def test_the_newest_real_alert_is_shown_where_there_is_one(desk: Path, store: Store) -> None:
    put_alert(store, 1)
    put_alert(store, 2)
    record = json.loads(wirewatch(desk, "channels", "preview", "phone", "--json").stdout)
    assert ALERT.headline in record["payload"]["title"]
    assert record["of"].startswith("the alert ")
    assert "invented" in wirewatch(desk, "channels", "preview", "phone", "--kind", "update").stdout


def test_a_digest_is_made_of_the_newest_real_alerts(desk: Path, store: Store) -> None:
    put_alert(store, 1)
    put_alert(store, 2)
    shown = wirewatch(desk, "channels", "preview", "post", "--kind", "digest").stdout
    assert "a digest of the newest 2 alerts" in shown
    assert "Subject: Digest" in shown


def test_an_alert_can_be_named_and_shown_as_another_kind(desk: Path, store: Store) -> None:
    put_alert(store, 1)
    (row,) = json.loads(wirewatch(desk, "alerts", "list", "--json").stdout)
    shown = wirewatch(desk, "channels", "preview", "desk", "--alert", row["id"][:9]).stdout
    assert f"*{row['headline']}* (first)" in shown
    shown = wirewatch(desk, "channels", "preview", "desk", "--alert", row["id"], "--kind", "escalation").stdout
    assert "as if it was of kind escalation" in shown
    assert f"*{row['headline']}* (escalation)" in shown
    assert wirewatch(desk, "channels", "preview", "desk", "--alert", "zzz").exit_code == 1


def test_the_html_of_a_mail_is_written_to_a_file(desk: Path) -> None:
    assert wirewatch(desk, "channels", "preview", "post", "--html", str(desk / "mail.html")).exit_code == 0
    assert "<h1" in (desk / "mail.html").read_text("utf-8")
    shown = wirewatch(desk, "channels", "preview", "desk", "--html", str(desk / "none.html"))
    assert (shown.exit_code, (desk / "none.html").exists()) == (1, False)
    assert wirewatch(desk, "channels", "preview", "post", "--html", str(desk / "no" / "x.html")).exit_code == 1


def test_what_is_not_there_is_said(desk: Path) -> None:
    assert "it has console, desk, post, phone, hook" in wirewatch(desk, "channels", "preview", "nobody").stderr
    assert wirewatch(desk, "channels", "preview", "desk", "--kind", "second").exit_code == 2


def test_a_broken_template_fails_the_preview_and_the_check_with_file_and_line(desk: Path) -> None:
    (desk / "desk.j2").write_text("Hello\n{{ storey }}")
    shown = wirewatch(desk, "channels", "preview", "desk")
    assert shown.exit_code == 1
    assert f"{desk / 'desk.j2'}:2: " in shown.stderr
    checked = wirewatch(desk, "config", "check")
    assert checked.exit_code == 1
    assert f"{desk / 'desk.j2'}:2: channel.desk: " in checked.stderr
    (desk / "desk.j2").write_text("Hello")
    checked = wirewatch(desk, "config", "check")
    assert checked.exit_code == 0
    assert f"{desk / 'desk.j2'}: ok, the template of desk" in checked.stdout


def test_what_an_article_says_moves_no_cursor(desk: Path, store: Store) -> None:
    put_alert(store, 1)
    (desk / "desk.j2").write_text(r"{{ '\x1b[2J' }}{{ passage.text }}")
    assert "\x1b" not in wirewatch(desk, "channels", "preview", "desk").stdout


def test_the_check_refuses_a_channel_that_the_daemon_could_not_make_and_names_its_line(desk: Path) -> None:
    (desk / "wirewatch.toml").write_text(SETTINGS.replace('url_env = "NO_SUCH_URL"', 'url = "nosuch://hunter2"'))
    checked = wirewatch(desk, "config", "check")
    line = 1 + SETTINGS.splitlines().index("[channel.phone]")
    assert checked.exit_code == 1
    assert f"{desk / 'wirewatch.toml'}:{line}: channel.phone: Apprise makes nothing of this address" in checked.stderr
    assert "hunter2" not in checked.output


def test_one_wrong_channel_is_no_reason_to_call_the_others_unknown(desk: Path) -> None:
    (desk / "wirewatch.toml").write_text(SETTINGS + 'quiet_hours = "22:00"\n')
    (desk / "topics.toml").write_text('[[topic]]\nquery = "floods"\nchannels = ["hook", "post", "console"]\n')
    checked = wirewatch(desk, "config", "check")
    assert checked.exit_code == 1
    assert "channel.hook.quiet_hours" in checked.stderr
    assert f"{desk / 'topics.toml'}: ok, 1 topic" in checked.stdout
    (desk / "topics.toml").write_text('[[topic]]\nquery = "floods"\nchannels = ["hok"]\n')
    assert 'did you mean "hook"?' in wirewatch(desk, "config", "check").stderr


def test_topics_are_not_checked_against_settings_that_cannot_be_read(desk: Path) -> None:
    (desk / "wirewatch.toml").write_text("[channel.desk\n")
    (desk / "topics.toml").write_text('[[topic]]\nquery = "floods"\nchannels = ["desk"]\n')
    checked = wirewatch(desk, "config", "check")
    assert checked.exit_code == 1
    assert f"{desk / 'topics.toml'}: not checked" in checked.stderr


def test_a_template_for_a_webhook_is_refused_with_its_line(desk: Path) -> None:
    (desk / "wirewatch.toml").write_text(SETTINGS + 'template = "desk.j2"\n')
    line = 1 + len(SETTINGS.splitlines())
    assert f":{line}: channel.hook.template: a webhook is sent JSON" in wirewatch(desk, "config", "check").stderr
