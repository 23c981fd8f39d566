"""The page in a real browser."""

import asyncio
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from consumers.holding import Mute
from consumers.model import Passage, Report, Topic
from daemon.feeds import FeedState
from daemon.health import Health
from daemon.status import report
from daemon.store import Store
from daemon.store.mutes import Mutes
from daemon.store.opening import open_store
from daemon.store.story_edits import StoryEdits
from daemon.telemetry import Metrics
from daemon.web.app import make_app
from daemon.web.server import address, bind, serve
from daemon.web.views import Views
from tests.fake_events import Events
from tests.kept_rows import NOW, HeldClock, KeptRows
from tests.told_story import ToldStories

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")
EVIL = "<script>window.owned=1</script><img src=x onerror='window.owned=1'>"
PASSAGE = Passage(text="Aircraft carried out strikes in Homs.", number=1, of=3, marks=((0, 8),))


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[KeptRows]:
    store = open_store("sqlite:", tmp_path)
    yield KeptRows(store)
    store.close()


@pytest.fixture
def base(rows: KeptRows, tmp_path: Path) -> Iterator[str]:
    clock = HeldClock()
    health = Health(clock)
    health.set("fetch", True)
    views = Views(
        rows.store,
        clock=clock,
        status=lambda: report(rows.store, now=NOW, data_dir=tmp_path, channels=(), running=None),
        feeds=dict,
        channels=lambda: {"console": "console"},
    )
    app = make_app(health, Metrics(version="0.1.0", python="3").registry, views)
    bound = bind("127.0.0.1:0")
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(app, bound, stop),))
    thread.start()
    yield f"http://{address(bound)}"
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


class Visit:
    """A page that remembers what it complained about and where it asked."""

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self.base = base
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def go(self, path: str = "/") -> Page:
        self.page.goto(self.base + path)
        return self.page


@pytest.fixture
def visit(browser: Browser, base: str) -> Iterator[Visit]:
    page = browser.new_page()
    yield Visit(page, base)
    page.close()


def test_an_alert_is_read_on_the_page_without_a_complaint_or_a_request_elsewhere(visit: Visit, rows: KeptRows):
    reports = [Report(source="example.org", url="https://example.org/1", title="t", at=NOW - 60)]
    rows.alert(rows.topic("Russian airstrikes Syria"), "Warplanes strike near Homs", passage=PASSAGE, reports=reports)
    page = visit.go()
    assert page.get_by_role("heading", name="Warplanes strike near Homs").is_visible()
    assert page.locator("mark").inner_text() == "Aircraft"
    link = page.get_by_role("link", name="Warplanes strike near Homs")
    assert link.get_attribute("rel") == "noopener noreferrer"
    page.get_by_role("link", name="details").click()
    page.wait_for_url("**/alerts/*")
    assert page.get_by_text("console: sent").is_visible()
    assert visit.complaints == []
    assert all(url.startswith(visit.base) for url in visit.asked)


def test_a_script_in_a_headline_does_not_run(visit: Visit, rows: KeptRows):
    hostile = Passage(text=EVIL, number=1, of=1, marks=((0, 8),))
    reports = [Report(source=EVIL, url="javascript:window.owned=1", title=EVIL, at=NOW)]
    alert = rows.alert(
        rows.topic(EVIL), EVIL, url="javascript:window.owned=1", passage=hostile, reports=reports, reasons=[EVIL]
    )
    rows.feed(FeedState(feed_id="f", title=EVIL, polled=NOW, next_due=NOW, error=EVIL))
    rows.disabled_channel("console", EVIL)
    for path in ("/", f"/alerts/{alert}"):
        page = visit.go(path)
        assert page.get_by_role("heading", name=EVIL).is_visible()
        assert page.evaluate("window.owned") is None
        assert page.locator("img").count() == 0
        assert page.locator("a[href^='javascript']").count() == 0
    assert visit.complaints == []


def told_and_merged(store: Store) -> tuple[str, str]:
    """Two alerts of stories that are one now, with words as long as feeds bring them."""
    long = "supercalifragilisticexpialidocious" * 8
    desk = ToldStories(store, Topic(id="harbour", query=f"Harbour {long}", channels=("desk", long)))
    events, at = Events(), NOW - 7200
    (first,) = desk.tell(events.report("fire", f"{long}.example", toll=12, at=at), at=at)
    desk.tell(
        events.report("fire", "b.example", toll=19, at=at + 60, text=f"{long}. {long}.", reworded=True), at=at + 60
    )
    (other,) = desk.tell(events.report("flood", "z.example", at=at + 90), at=at + 90)
    desk.send("desk", at + 120)
    kept, gone = desk.story(events.report("fire", "b.example")), desk.story(events.report("flood", "z.example"))
    mute = Mute(id="m" * 32, kind="story", target=kept.id, since=at + 130, until=NOW + 3600, by=long, comment=long)
    Mutes(store).add(mute)
    desk.send(long, at + 140)
    StoryEdits(store).merge(kept.id, gone.id, by="Ana", now=at + 600)
    return first, other


def test_from_a_merged_alert_one_gets_to_the_story_and_back_without_a_complaint(visit: Visit, rows: KeptRows):
    first, other = told_and_merged(rows.store)
    page = visit.go(f"/alerts/{other}")
    page.locator(".banner a").first.click()
    page.wait_for_url(f"**/alerts/{first}")
    assert page.get_by_text("toll 12 → 19").first.is_visible()
    assert page.get_by_role("heading", name="desk").is_visible()
    page.locator(".banner a").first.click()
    page.wait_for_url(f"**/alerts/{other}")
    assert visit.complaints == []
    assert all(url.startswith(visit.base) for url in visit.asked)


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_no_history_is_wider_than_the_screen(visit: Visit, rows: KeptRows, width: int):
    first, other = told_and_merged(rows.store)
    visit.page.set_viewport_size({"width": width, "height": 800})
    for path in ("/", f"/alerts/{first}", f"/alerts/{other}"):
        page = visit.go(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_page_brings_itself_up_to_date_and_leaves_open_what_was_opened(visit: Visit, rows: KeptRows):
    rows.feed(FeedState(feed_id="f", title="The only feed", polled=NOW, next_due=NOW))
    page = visit.go()
    page.locator("summary").click()
    page.evaluate("document.activeElement.blur()")
    rows.alert(rows.topic("T"), "It just broke", passage=PASSAGE, reports=[])
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.get_by_role("heading", name="It just broke").wait_for(timeout=10_000)
    assert page.locator("aside").get_by_role("link", name="T").is_visible()
    assert page.get_by_text("The only feed").is_visible()
    assert visit.complaints == []


@pytest.mark.parametrize("width", [320, 390, 820, 1280])
def test_nothing_is_wider_than_the_screen(visit: Visit, rows: KeptRows, width: int):
    long = "supercalifragilisticexpialidocious" * 8
    reports = [Report(source=long, url="https://example.org/1", title=long, at=NOW)]
    alert = rows.alert(
        rows.topic(long), long, passage=Passage(text=long, number=1, of=1), reports=reports, reasons=[long]
    )
    rows.feed(FeedState(feed_id="f", title=long, polled=NOW, next_due=NOW, error=long))
    visit.page.set_viewport_size({"width": width, "height": 800})
    for path in ("/", f"/alerts/{alert}"):
        page = visit.go(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_page_works_without_javascript(browser: Browser, base: str, rows: KeptRows):
    rows.alert(rows.topic("T"), "It just broke", passage=PASSAGE, reports=[])
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(base)
    assert page.get_by_role("heading", name="It just broke").is_visible()
    assert page.locator("meta[http-equiv=refresh]").count() == 1
    context.close()
