"""A template of the user's: what one channel says of an alert, in Jinja.

::

    Subject: {{ topic }}: {{ headline }}
    {% if kind == "update" %}New: {{ facts|map(attribute="text")|join("; ") }}
    {% endif %}
    {{ passage.quote }}
    {% for report in reports[:5] %}
    - {{ report.at|time("Europe/Paris") }} {{ report.source }} {{ report.url }}
    {% endfor %}

The names are the fields of ``template_views.AlertView``, and ``digest``; the filters are those of
``template_filters``. A first line "Subject: …" is the subject of a mail and the title of a push message; other
channels leave it out. Digests go out in the channel's own words unless the template speaks of ``digest``, and so does
everything that the template makes nothing of.

A template is its operator's, and what it prints is a stranger's: every value is one line and is escaped for the
channel. What it can do is bounded before it runs (``template_rules``) and while it runs (``template_filters``).
"""

from collections.abc import Iterator
from types import TracebackType

import jinja2
from jinja2.exceptions import TemplateSyntaxError

from consumers.errors import WirewatchError
from consumers.model import Digest, Message, Notice
from consumers.notify import Tidings, samples, wording
from consumers.notify.rendered import Rendered
from consumers.notify.template_filters import LONGEST, METER, Meter, TooMuchError
from consumers.notify.template_rules import SUBJECT, RuleError, is_about, parse, within_bounds
from consumers.notify.template_sandbox import Escape, Sandbox
from consumers.notify.template_views import context

_RAISED = (  # whatever a template can do wrong: a value of the wrong kind is as bad as an undefined one
    *(jinja2.TemplateError, ArithmeticError, AttributeError),
    *(LookupError, RecursionError, TypeError, ValueError),
)


class TemplateUnusable(WirewatchError):
    """``line`` of the template counts from 1; 0: its file cannot be read."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class Template:
    """A ``Render``. Threads may share it."""

    def __init__(self, source: str, name: str, *, escape: Escape = str, escape_address: Escape = str) -> None:
        """``name`` is for people. ``escape`` makes the channel show a text as it is, ``escape_address`` a link.

        Raises ``TemplateUnusable`` for what is not allowed, and for what fails with one of the samples.
        """
        if len(source) > LONGEST:
            raise TemplateUnusable(f"it is longer than {LONGEST} characters", 1)
        self._name = name
        environment = Sandbox(escape, escape_address)
        try:
            tree = within_bounds(parse(environment, source))
            self._of_digests = is_about(tree, "digest")
            code = environment.compile(tree, name, name)
        except RuleError as error:
            raise TemplateUnusable(error.message, error.line) from error
        except TemplateSyntaxError as error:
            raise TemplateUnusable(error.message or "it is no template", error.lineno) from error
        except (RecursionError, SyntaxError) as error:
            raise TemplateUnusable("it is nested too deeply", 1) from error
        except _RAISED as error:  # Jinja works out what is constant
            raise TemplateUnusable(_sentence(error), 1) from error
        self._template = jinja2.Template.from_code(environment, code, {})
        for sample in samples.all_kinds():
            self._tried(sample)

    def __call__(self, tidings: Tidings) -> Rendered:
        if isinstance(tidings, Notice) or (isinstance(tidings, Digest) and not self._of_digests):
            return Rendered()
        try:
            text = self._render(tidings)
        except _RAISED as error:
            line = _line(error, self._name)
            where = f" at line {line}" if line else ""
            problem = f"the template {self._name} failed{where} ({_sentence(error)})"
            return Rendered(note=f"{problem}, so the message went out in Wirewatch's own words")
        subject, text = _split(text)
        return Rendered(text=text, subject=subject)

    def _tried(self, sample: Message | Digest) -> None:
        try:
            self._render(sample)
        except _RAISED as error:
            what = f"{_sentence(error)} (with a sample of kind {context(sample)['kind']})"
            raise TemplateUnusable(what, _line(error, self._name) or 1) from error

    def _render(self, tidings: Message | Digest) -> str:
        if isinstance(tidings, Digest) and not self._of_digests:
            return ""
        return "".join(_bounded(self._template.generate({**context(tidings), METER: Meter()})))


def _bounded(pieces: Iterator[str]) -> Iterator[str]:
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > LONGEST:
            raise TooMuchError(f"it makes more than {LONGEST} characters")
        yield piece


def _split(text: str) -> tuple[str, str]:
    """The subject, of the template's own making, and the rest."""
    text = text.strip()
    subject = ""
    if text.startswith(SUBJECT):
        first, _, text = text.partition("\n")
        subject = wording.one_line(first.removeprefix(f"{SUBJECT}Subject:"), 300)
    return subject, wording.readable(text.replace(SUBJECT, "")).strip()


def _sentence(error: BaseException) -> str:
    """Jinja's and ours are sentences; Python's are not, and might quote what is on the wire."""
    told = isinstance(error, jinja2.TemplateError) and error.message
    return wording.one_line(told or f"{type(error).__name__}: a value is not of the kind that is needed here", 300)


def _line(error: BaseException, name: str) -> int:
    """Jinja rewrites tracebacks to lines of the template."""
    line = 0
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == name:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
