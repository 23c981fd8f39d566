"""The HTML of a mail in a real browser: on a phone, on a desk, by day and by night."""

import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from consumers.notify import Tidings
from consumers.notify.mail_content import mail
from tests.alert_samples import ALERT, DIGEST, ESCALATION, FLOOD, HOSTILE, NOON, NOTICE, TAKEN_BACK, TOLL, UPDATE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")
PAGE = "https://wirewatch.example/alerts/1"
LONG = replace(
    DIGEST,
    topics=(
        *DIGEST.topics,
        *(replace(DIGEST.topics[1], topic=f"Topic {number}", stories=(FLOOD,) * 3) for number in "123"),
    ),
)
EVIL = replace(
    UPDATE,
    headline=HOSTILE + "W" * 250,
    facts=(replace(TOLL, text=HOSTILE, quote=HOSTILE + "</blockquote><script>document.title='owned'</script>"),),
    status=(HOSTILE,),
    topic="<img src=https://evil.example/pixel onerror=document.title='owned'>",
)
TIDINGS: dict[str, Tidings] = {
    "first": replace(ALERT, page=PAGE),
    "update": replace(UPDATE, facts=(TAKEN_BACK, TOLL), page=PAGE, possible_repeat=True),
    "escalation": replace(ESCALATION, page=PAGE, status=("split by Ana: 2 reports moved",)),
    "digest": LONG,
    "notice": NOTICE,
    "evil": EVIL,
}
CONTRAST = """() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("body *")]
    .filter(e => e.checkVisibility() && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .map(e => {
      const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))];
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.textContent.trim().slice(0, 40)];
    }).filter(([ratio]) => ratio < 4.5);
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(params=["light", "dark"])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = browser.new_context(color_scheme=request.param, viewport={"width": 390, "height": 800})
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("name", TIDINGS)
def test_a_mail_reads_well_whatever_the_screen(page: Page, name: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    made = mail(TIDINGS[name], sender="alerts@desk.example.org", recipients=("a@b.org",), now=NOON + 6000)
    _, rich = (part.get_content() for part in made.iter_parts())
    page.set_content(rich)
    assert page.evaluate(CONTRAST) == []  # WCAG 2.2, 1.4.3
    assert page.title() != "owned"
    for width in (320, 390, 800):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.querySelector('.card').getBoundingClientRect().width") <= 602
    assert asked == []
