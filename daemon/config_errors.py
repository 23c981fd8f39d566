"""A wrong value as one sentence: file, line, key, what is wrong, what to do."""

from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from daemon.errors import ConfigError
from daemon.toml_file import Document
from daemon.toml_scan import scan

M = TypeVar("M", bound=BaseModel)
Where = tuple[str | int, ...]
FieldsOf = Callable[[Where, Document], type[BaseModel] | None]

SHAPES = {
    "string_type": "write text in quotes",
    "int_type": "write a whole number",
    "bool_type": "write true or false",
    "tuple_type": 'write a list, as in ["one", "two"]',
    "dict_type": "write a table",
    "mapping_type": "write a table",
    "model_type": "write a table, in [brackets]",
    "model_attributes_type": "write a table, in [brackets]",
    "missing": "this key is needed: add it",
    "string_too_short": "write something between the quotes",
    "path_type": "write a path in quotes",
}


def validated(
    model: type[M], document: Document, *, text: str, file: Path, fields_of: FieldsOf, context: object = None
) -> M:
    """``document`` as a ``model``. Raises ``ConfigError`` for the first thing that is wrong, by line."""
    try:
        return model.model_validate(document, context=context)
    except ValidationError as error:
        places = scan(text)
        problems = [(_place(problem, document), problem) for problem in error.errors(include_url=False)]
        where, problem = min(problems, key=lambda found: (found[1]["type"] == "missing", places.line(found[0])))
        line = places.line(where)
        raise ConfigError(
            _sentence(problem, where, fields_of(where[:-1], document)), file=str(file), line=line, key=key_name(where)
        ) from None  # pydantic's own text may quote the value


def refused(message: str, where: Where, *, text: str, file: Path) -> ConfigError:
    """To be raised for what only the whole file shows to be wrong."""
    return ConfigError(message, file=str(file), line=scan(text).line(where), key=key_name(where))


def key_name(where: Sequence[str | int]) -> str:
    """("topic", 1, "query") as people write it: topic[2].query."""
    name = ""
    for part in where:
        name += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if name else part
    return name


def did_you_mean(wrong: str, known: Collection[str]) -> str:
    close = get_close_matches(wrong.lower(), sorted(known), n=1)
    return f'did you mean "{close[0]}"?' if close else f"known here: {', '.join(sorted(known)) or 'nothing'}"


def _place(problem: ErrorDetails, document: object) -> Where:
    where = _path(problem["loc"], document)
    outer = document
    for part in where[:-1]:
        outer = _inside(outer, part)
    # What a whole table is refused for has no key of its own: its last part is the type of a union.
    tagged = problem["type"] == "value_error" and isinstance(outer, Mapping) and where[-1:] and where[-1] not in outer
    return where[:-1] if tagged else where


def _path(loc: Where, document: object) -> Where:
    """Where pydantic's location is in the file: it puts the type of a union between two keys."""
    path: list[str | int] = []
    for position, part in enumerate(loc):
        last = position == len(loc) - 1
        if isinstance(document, Mapping) and part not in document and not last and isinstance(part, str):
            continue
        path.append(part)
        document = _inside(document, part)
    return tuple(path)


def _inside(document: Any, part: str | int) -> object:
    if isinstance(document, Mapping):
        return document.get(part)
    if isinstance(document, list | tuple) and isinstance(part, int) and part < len(document):
        return document[part]
    return None


def _sentence(problem: ErrorDetails, where: Where, model: type[BaseModel] | None) -> str:
    kind, context = problem["type"], problem.get("ctx", {})
    known = set(model.model_fields) if model else set()
    key = str(where[-1]) if where else ""
    if kind == "extra_forbidden":
        if f"{key}_env" in known:
            return (
                f"a secret is never written into this file: put it into an environment variable and name that with "
                f"{key}_env, or into a file and name that with {key}_file"
            )
        return f"there is no such key, {did_you_mean(key, known)}"
    if kind == "value_error":
        return str(context["error"])
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return 'set type = "console", "slack", "email", "webhook" or "apprise"'
    if kind == "literal_error":
        return f"write {context['expected'].replace(chr(39), chr(34))}"
    message = problem["msg"][:1].lower() + problem["msg"][1:]
    return SHAPES.get(kind, message)
