"""A template from its file to the channel: read, refused with its line, edited, and put in the place of our words."""

from collections.abc import Mapping
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiohttp import ClientSession

from consumers.notify.console import ConsoleNotifier
from consumers.notify.console import render as on_console
from consumers.notify.mail_content import mail
from consumers.notify.mail_thread import provider_id
from consumers.notify.rendered import Rendered
from consumers.notify.wording import readable
from daemon.channel_settings import ChannelSettings
from daemon.channel_templates import render_for
from daemon.channels import build_channels, build_notifier
from daemon.errors import ConfigError
from daemon.settings import parse_settings
from tests.alert_samples import ALERT, HOSTILE, NOON

TOML = """\
[channel.desk]
type = "slack"
token_env = "DESK_TOKEN"
channel = "#desk"
{extra}
[channel.post]
type = "email"
host = "127.0.0.1"
sender = "alerts@example.org"
recipients = ["ana@example.org"]
template = "words.j2"
quiet_hours = "22:00-07:00 Europe/Paris"
[channel.phone]
type = "apprise"
url = "json://127.0.0.1"
template = "words.j2"
"""
GOOD = "*{{ headline }}*"


def channels(folder: Path, extra: str = 'template = "words.j2"', source: str = GOOD) -> Mapping[str, ChannelSettings]:
    (folder / "words.j2").write_text(source)
    return parse_settings(TOML.format(extra=extra), folder / "wirewatch.toml").channel


def written(file: Path, text: str) -> None:
    """As an editor does it: another file takes the place."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


# -- reading it


def test_each_channel_escapes_what_an_article_says_as_it_has_to(tmp_path: Path) -> None:
    found = channels(tmp_path)
    alert = replace(ALERT, headline="<@U1> & *b* @everyone")
    told = {name: render_for(settings)(alert).text for name, settings in found.items() if settings.template}
    assert told == {
        "desk": "*&lt;@U1&gt; &amp; ∗b∗ @everyone*",
        "post": "*<@U1> & *b* @everyone*",
        "phone": "*<\u2060@U1> & *b* @\u2060everyone*",
    }


def test_a_wrong_template_is_refused_with_its_own_file_and_line_and_the_channel(tmp_path: Path) -> None:
    found = channels(tmp_path, source="Hello\n{{ storey }}")
    with pytest.raises(ConfigError) as raised:
        render_for(found["desk"])
    assert (raised.value.file, raised.value.line) == (str(tmp_path / "words.j2"), 2)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_template_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    found = channels(tmp_path)
    (tmp_path / "words.j2").unlink()
    if content is not None:
        (tmp_path / "words.j2").write_bytes(content)
    with pytest.raises(ConfigError, match=r"words\.j2: the template "):
        render_for(found["desk"])


async def test_the_daemon_does_not_take_a_channel_with_a_wrong_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_TOKEN", "xoxb-1")
    found = channels(tmp_path, source="{{ storey }}")
    async with ClientSession() as session:
        with pytest.raises(ConfigError, match=r'words\.j2:1: channel\.desk: there is no "storey"'):
            build_notifier("desk", found["desk"], session=session, write=print)


def test_a_webhook_takes_no_template(tmp_path: Path) -> None:
    (tmp_path / "words.j2").write_text(GOOD)
    toml = '[channel.hook]\ntype = "webhook"\nurl = "https://example.org"\ntemplate = "words.j2"\n'
    with pytest.raises(ConfigError, match="JSON"):
        render_for(parse_settings(toml, tmp_path / "wirewatch.toml").channel["hook"])


# -- editing it


def test_a_good_edit_is_in_force_with_the_next_message(tmp_path: Path) -> None:
    render = render_for(channels(tmp_path)["post"])
    assert render(ALERT).text == f"*{ALERT.headline}*"
    written(tmp_path / "words.j2", "{{ kind }}!")
    assert render(ALERT) == Rendered(text="first!")


def test_a_broken_edit_changes_nothing_and_is_told_until_it_is_mended(tmp_path: Path) -> None:
    render = render_for(channels(tmp_path)["post"])
    written(tmp_path / "words.j2", "{{ kind }")
    for _ in range(2):
        rendered = render(ALERT)
        assert rendered.text == f"*{ALERT.headline}*"
        assert "words.j2:1: " in rendered.note
        assert "last good version" in rendered.note
    (tmp_path / "words.j2").unlink()
    assert "cannot be read" in render(ALERT).note
    written(tmp_path / "words.j2", "{{ kind }}")
    assert render(ALERT) == Rendered(text="first")


# -- what the channels make of it


async def test_everything_of_a_channel_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_TOKEN", "xoxb-1")
    async with ClientSession() as session:
        built = {each.name: each for each in build_channels(channels(tmp_path), session=session, write=print)}
    assert {name: channel.kind for name, channel in built.items()} == {
        "console": "console",
        "desk": "slack",
        "post": "email",
        "phone": "apprise",
    }
    assert built["desk"].quiet is None
    quiet = built["post"].quiet
    assert quiet is not None
    assert quiet.until(NOON + 9 * 3600) == NOON - 120 + 16 * 3600  # from 00:02 to 07:00 in Paris


async def test_the_console_writes_the_words_and_hands_on_the_note() -> None:
    lines: list[str] = []
    channel = ConsoleNotifier(
        lines.append, now=lambda: NOON, width=lambda: 40, render=lambda _: Rendered(text="x" * 90, note="careful")
    )
    assert (await channel.send(ALERT)).note == "careful"
    assert lines == ["x" * 90 + "\n"]
    assert on_console(replace(ALERT, possible_repeat=True), now=NOON, width=40, words="x").startswith("May be a repeat")


def written_mail(words: Rendered, **changes: object) -> EmailMessage:
    alert = replace(ALERT, **changes)  # type: ignore[arg-type]
    return mail(alert, sender="a@example.org", recipients=["b@example.org"], now=NOON, words=words)


def part(message: EmailMessage, kind: str) -> str:
    (found,) = (each for each in message.iter_parts() if each.get_content_type() == kind)
    return str(found.get_content()).replace("\r\n", "\n")


def test_a_mail_has_the_words_in_both_parts_and_nothing_in_them_is_markup() -> None:
    made = written_mail(
        Rendered(text=f"Hello <b>\n{readable(HOSTILE)}\n\nhttps://example.org/?a=1&b=2", subject="Look")
    )
    assert made["Subject"] == "Look"
    assert part(made, "text/plain").startswith("Hello <b>\n")
    html = part(made, "text/html")
    assert "Hello &lt;b&gt;<br>" in html
    assert "<script" not in html
    assert "<img" not in html
    assert 'href="https://example.org/?a=1&amp;b=2"' in html


def test_a_subject_stays_the_one_that_its_conversation_began_with() -> None:
    words = Rendered(text="x", subject="Look =?utf-8?q?here?=\r\nBcc: victim@example.org")
    first = written_mail(words)
    assert first["Bcc"] is None
    assert "=?utf" not in str(first["Subject"])
    told = provider_id(ALERT, "example.org", words.subject)
    update = written_mail(Rendered(text="y", subject="Another"), kind="update", thread=told, follows=(told,))
    assert update["Subject"] == f"Re: {first['Subject']}"


def test_without_a_template_nothing_changes() -> None:
    plain = part(written_mail(Rendered()), "text/plain")
    assert plain == part(mail(ALERT, sender="a@example.org", recipients=["b@example.org"], now=NOON), "text/plain")
