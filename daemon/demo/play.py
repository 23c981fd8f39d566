"""The demo's script: start the daemon on the made-up sites, let the news happen, say what to do next.

sites on loopback ──▶ the real daemon, on a configuration in a temporary folder ──▶ this terminal
"""

import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from daemon.demo.site import News, Sites, load_news, serving
from daemon.errors import Unavailable, Unusable
from daemon.settings import load_settings

QUERY = "Russian airstrikes Syria"
PATIENCE = 50.0  # seconds until the demo gives up; the promise is a minute with everything

INTRODUCTION = """\
Wirewatch demo: {sites} made-up news sites on this machine, one watch topic, "{query}".

1. Reading what the sites already carry (the model takes some seconds to load).
"""
LIVE = """
2. Six new items appear on the sites. Three of them report one event; one of these copies its paragraphs.
"""
CLOSING = """
3. One alert with {sources} sources. {others} other articles stayed quiet.

What to do next, in a folder of your own:
  {program} init desk                                      a configuration with comments
  {program} --config desk feeds add https://…/rss.xml      a feed of yours
  {program} --config desk run                              watch; the page is on http://127.0.0.1:8470
and, while it runs, in another terminal:
  {program} --config desk topics test "flood warnings"     what a topic would have found
  {program} --config desk topics add "flood warnings"      a topic of yours
To be told in Slack: take the comment signs off [channel.desk] in desk/wirewatch.toml.
"""
FAILED = "The demo did not get its alert within {seconds:.0f} s. `wirewatch doctor` says what is missing here."


def play(say: Callable[[str], None], program: str) -> bool:
    """Whether the alert came. ``program`` is how its user starts Wirewatch. Raises ``Unusable``."""
    from daemon.app import run_until

    news = load_news()
    sites = Sites(news)
    with tempfile.TemporaryDirectory(prefix="wirewatch-demo-") as folder, serving(sites) as urls:
        config = Path(folder)
        _write_configuration(config, urls)
        say(INTRODUCTION.format(sites=len(news["site"]), query=QUERY))
        stop = threading.Event()
        script = Script(config, sites, news, say, stop)
        thread = threading.Thread(target=script.run, name="demo", daemon=True)
        thread.start()
        run_until(stop, load_settings(config / "wirewatch.toml"), config, log_level="warning")
        thread.join(5)
    if script.sources:
        others = len(news["before"]) + len(news["live"]) - script.sources
        say(CLOSING.format(sources=script.sources, others=others, program=program))
    else:
        say(FAILED.format(seconds=PATIENCE))
    return script.sources > 0


class Script:
    """What happens when. ``sources`` is how many the one alert named, 0 until it was delivered."""

    def __init__(
        self, config: Path, sites: Sites, news: News, say: Callable[[str], None], stop: threading.Event
    ) -> None:
        self._config, self._sites, self._news, self._say, self._stop = config, sites, news, say, stop
        self._until = time.monotonic() + PATIENCE
        self.sources = 0

    def run(self) -> None:
        try:
            before, live = len(self._news["before"]), len(self._news["live"])
            if self._wait(lambda: self._archived() >= before):
                self._say(LIVE)
                self._sites.publish_live()
                if self._wait(lambda: self._archived() >= before + live and self._delivered() > 0):
                    self.sources = self._delivered()
        finally:
            self._stop.set()

    def _wait(self, true: Callable[[], bool]) -> bool:
        while not self._stop.wait(0.2) and time.monotonic() < self._until:
            try:
                if true():
                    return True
            except (Unavailable, Unusable):
                continue  # the store is just being made
        return False

    def _archived(self) -> int:
        from daemon.store.archive import Archive
        from daemon.store.opening import open_for_reading

        store = open_for_reading("sqlite:", self._config / "data")
        try:
            return Archive(store).count()
        finally:
            store.close()

    def _delivered(self) -> int:
        """Sources in the one alert that was sent; 0 while there is none."""
        from daemon.store.opening import open_for_reading
        from daemon.store.stories import Stories

        store = open_for_reading("sqlite:", self._config / "data")
        try:
            alerts = Stories(store).alerts(limit=2)
            story = alerts[0].story if len(alerts) == 1 else None
            if story is None or any(delivery.state != "sent" for delivery in alerts[0].deliveries):
                return 0
            return len({report.source for report in story.reports})
        finally:
            store.close()


def _write_configuration(folder: Path, urls: Mapping[str, str]) -> None:
    (folder / "wirewatch.toml").write_text(
        '[web]\nlisten = "127.0.0.1:0"\n\n[alerts]\nsettle = "4s"\n\n'
        '[fetch]\nallow_networks = ["127.0.0.0/8"]\nhost_gap = "0s"\nper_host = 8\n'
        'min_interval = "2s"\ndefault_interval = "2s"\n'
    )
    (folder / "topics.toml").write_text(f'[[topic]]\nid = "russian-airstrikes-syria"\nquery = "{QUERY}"\n')
    (folder / "feeds.toml").write_text("".join(f'[[feed]]\nurl = "{url}"\nevery = "2s"\n\n' for url in urls.values()))
