"""Logging: short coloured lines on a terminal, one JSON object a line anywhere else.

Whatever a library writes through ``logging`` takes the same way, so that nothing reaches the output with a secret in
it or with a control character that the terminal would obey. Article text and server replies are written by strangers.
"""

import logging
import re
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Literal, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

Level = Literal["debug", "info", "warning", "error"]
LEVELS: Mapping[Level, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

HIDDEN = "[hidden]"
_SECRET_KEY = re.compile(r"(token|password|passwd|secret|authorization|api[_-]?key|cookie|credential)", re.IGNORECASE)
# every repetition before a decision has a bound: without one, a long word costs the square of its length
_SECRET_VALUES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"([a-z][a-z0-9+.-]{0,20}://)[^/\s@\"']+@", re.IGNORECASE), rf"\1{HIDDEN}@"),
    (re.compile(r"\bx(?:ox[a-z]|app)-[\w-]+"), HIDDEN),  # Slack's tokens
    (re.compile(r"(hooks\.slack(?:-gov)?\.com/)[^\s\"'<>]+"), rf"\1{HIDDEN}"),  # the path is the secret
    (re.compile(r"\bwhsec_[\w+/=-]+"), HIDDEN),  # Standard Webhooks
    (re.compile(r"\b((?:bearer|basic)\s{1,9})[\w.~+/=-]{8,}", re.IGNORECASE), rf"\1{HIDDEN}"),
    (
        re.compile(
            r"([?&;](?:[\w.-]{0,40}(?:token|secret|password|api_?key|signature|auth)))=[^&#\s\"']+", re.IGNORECASE
        ),
        rf"\1={HIDDEN}",
    ),
)
# C0 and C1 controls, and the marks that reorder or split a line
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_CONTROL_IN_TRACE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_LONGEST = 2000  # characters of one value: a log line is not an archive

# At info these tell their own story, not ours; their warnings are still shown.
_QUIET = (
    *("apscheduler", "asyncio", "uvicorn", "sqlalchemy", "alembic", "aiohttp", "slack_sdk", "watchfiles", "urllib3"),
    *("sentence_transformers", "transformers", "huggingface_hub", "torch", "faiss", "kafka"),
)


def hide_secrets(text: str) -> str:
    """Without user names and passwords in addresses, and without anything that looks like a token."""
    for pattern, replacement in _SECRET_VALUES:
        text = pattern.sub(replacement, text)
    return text


def neutralise(text: str) -> str:
    """Control characters as visible escapes: nothing in it moves the cursor, ends the line or changes a colour."""
    return _CONTROL.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(
        found[0], f"\\x{ord(found[0]):02x}" if ord(found[0]) < 256 else f"\\u{ord(found[0]):04x}"
    )


def clean(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Hides secrets and neutralises texts, in nested values too. The traceback keeps its line ends."""
    trace = event.pop("exception", None)
    # keys that begin with "_" belong to structlog and never reach the output
    cleaned: EventDict = {
        key: value if key.startswith("_") else _cleaned(neutralise(str(key)), value) for key, value in event.items()
    }
    if trace is not None:
        cleaned["exception"] = _CONTROL_IN_TRACE.sub(_escape, hide_secrets(str(trace)))
    return cleaned


def _cleaned(key: str, value: object) -> object:
    if _SECRET_KEY.search(key):
        return HIDDEN if value not in (None, "") else value
    match value:
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {neutralise(str(inner)): _cleaned(str(inner), item) for inner, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_cleaned("", item) for item in value]
        case _:
            text = neutralise(hide_secrets(str(value)))
            return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"


class _Writer(logging.Handler):
    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._write(self.format(record))
        except (OSError, ValueError):
            return  # the terminal or the pipe has gone; the daemon has other work


def set_up(write: Callable[[str], None], *, pretty: bool, level: Level = "info", colours: bool = True) -> None:
    """Sends every log line of this process to ``write``, which adds the line end. Once, at the start of the process."""
    shared: list[Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if pretty else "iso", utc=not pretty),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    final: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, clean]
    json_lines: list[Processor] = [_leading, structlog.processors.JSONRenderer(ensure_ascii=False)]
    final += [_short, _console(colours)] if pretty else json_lines
    handler = _Writer(write)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=final))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(LEVELS[level])
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, LEVELS[level]) if level != "debug" else logging.INFO)
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # modules make their loggers at import, before this runs
    )


def _leading(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """When, how bad and what come first: people read JSON lines too."""
    first = ("timestamp", "level", "logger", "event")
    return {key: event[key] for key in first if key in event} | {k: v for k, v in event.items() if k not in first}


def _short(_logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """On a terminal the name of one of our own loggers says nothing that the sentence does not."""
    name = str(event.get("logger", ""))
    if name.startswith("daemon") or ("." not in name and name not in _QUIET):
        event.pop("logger", None)
    return event


def _console(colours: bool) -> Processor:
    renderer = structlog.dev.ConsoleRenderer(
        colors=colours,
        pad_event_to=34,
        sort_keys=False,
        exception_formatter=structlog.dev.plain_traceback,
    )
    return cast(Processor, renderer)
