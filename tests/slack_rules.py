"""What Slack takes: its documented limits of a message, written down apart from the code that keeps them.

https://docs.slack.dev/reference/block-kit, https://docs.slack.dev/reference/methods/chat.update
"""

import json
import re
from collections.abc import Iterator
from typing import Any

LINK = re.compile(r"<https?://[^<>|\s]+\|[^<>\n]+>")
ENTITY = re.compile(r"&(?!amp;|lt;|gt;)")
MENTION = re.compile(r"<[!@#]")
TS = re.compile(r"\d{10}\.\d{6}")

MOST_TEXT, MOST_TEXT_OF_AN_EDIT = 40_000, 4_000
MOST_METADATA = 8_000  # Slack names no figure

Block = dict[str, Any]


def problem(payload: dict[str, Any], *, edit: bool = False) -> str:
    """The error code that Slack gives for this message; empty where it takes it."""
    blocks = payload.get("blocks") or []
    if not payload.get("text") and not blocks:
        return "no_text"
    if units(payload.get("text") or "") > (MOST_TEXT_OF_AN_EDIT if edit else MOST_TEXT):
        return "msg_too_long"
    if len(blocks) > 50 or not all(valid(block) for block in blocks) or not _unique(blocks, "block_id"):
        return "invalid_blocks"
    if units(json.dumps(blocks, ensure_ascii=False)) >= 13_000:
        return "msg_blocks_too_long"
    return _metadata_problem(payload.get("metadata"))


def _metadata_problem(metadata: Any) -> str:
    if not metadata:
        return ""
    if not isinstance(metadata, dict) or not metadata.get("event_type"):
        return "invalid_metadata_format"
    if not isinstance(metadata.get("event_payload"), dict):
        return "invalid_metadata_format"
    return "metadata_too_large" if len(json.dumps(metadata)) > MOST_METADATA else ""


def valid(block: Block) -> bool:
    if not _shorter(block.get("block_id", "x"), 255):
        return False
    match block["type"]:
        case "section":
            return block["text"]["type"] in {"mrkdwn", "plain_text"} and _shorter(block["text"]["text"], 3000)
        case "header":
            return _plain(block["text"], 150)
        case "context":
            texts = [element["text"] for element in block["elements"]]
            return 1 <= len(texts) <= 10 and all(_shorter(text, 3000) for text in texts)
        case "actions":
            elements = block["elements"]
            return 1 <= len(elements) <= 25 and _unique(elements, "action_id") and all(map(_element, elements))
    return False


def _element(element: Block) -> bool:
    if not _shorter(element.get("action_id", "x"), 255):
        return False
    match element["type"]:
        case "button":
            url, value = element.get("url"), element.get("value")
            return (
                _plain(element["text"], 75)
                and (url is None or _shorter(url, 3000))
                and (value is None or _shorter(value, 2000))
                and element.get("style", "primary") in {"primary", "danger"}
            )
        case "overflow":
            return 1 <= len(element["options"]) <= 5 and all(map(_option, element["options"]))
        case "static_select":
            placeholder = element.get("placeholder")
            named = placeholder is None or _plain(placeholder, 150)
            return named and 1 <= len(element["options"]) <= 100 and all(map(_option, element["options"]))
    return False


def _option(option: Block) -> bool:
    return _plain(option["text"], 75) and _shorter(option["value"], 150)


def _plain(text: Block, limit: int) -> bool:
    return text["type"] == "plain_text" and _shorter(text["text"], limit)


def _shorter(text: Any, limit: int) -> bool:
    return isinstance(text, str) and 1 <= units(text) <= limit


def _unique(items: list[Block], key: str) -> bool:
    named = [item[key] for item in items if key in item]
    return len(named) == len(set(named))


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def texts(payload: dict[str, Any]) -> list[str]:
    """Every text that Slack reads markup in."""
    return [payload.get("text") or "", *(text for block in payload.get("blocks") or [] for text in _texts(block))]


def _texts(block: Block) -> Iterator[str]:
    if block["type"] == "actions":
        return
    for element in block.get("elements", [block.get("text")]):
        yield element["text"]


def markup(text: str) -> str:
    """What is left that Slack would obey, once our own links are taken away; empty for a harmless text."""
    rest = LINK.sub("", text)
    return "".join(char for char in rest if char in "<>") + "".join(ENTITY.findall(rest))


def without_links(text: str) -> str:
    """What people read of it."""
    return LINK.sub(lambda link: link[0].partition("|")[2].removesuffix(">"), text)
