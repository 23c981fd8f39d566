"""What a template can reach: the fields of views, the items of lists, and nothing else of anything.

Jinja's own sandbox keeps a list of what is dangerous; here is the list of what is not. No object of Python's own gives
anything away, so there is no way from a text to its class, and from there to the rest of the process.
"""

from collections.abc import Callable
from typing import Any

import jinja2
from jinja2.exceptions import TemplateRuntimeError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from consumers.notify.template_filters import available
from consumers.notify.template_views import Address, View

Escape = Callable[[str], str]

_LOOP = {"index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem"}


class Sandbox(ImmutableSandboxedEnvironment):
    """``escape`` makes the channel show a text as it is, ``escape_address`` a link."""

    intercepted_binops = frozenset(["+", "-"])

    def __init__(self, escape: Escape, escape_address: Escape) -> None:
        super().__init__(
            undefined=jinja2.StrictUndefined,
            finalize=lambda value: _shown(value, escape, escape_address),
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.globals = {}
        self.filters = dict(available())

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, View) and attribute in obj.__dataclass_fields__:
            return getattr(obj, attribute)
        if isinstance(obj, LoopContext) and attribute in _LOOP:
            return getattr(obj, attribute)
        if isinstance(obj, jinja2.Undefined):
            str(obj)  # says what is undefined
        if obj is None:
            return self.undefined(f'there is no "{attribute}" in an alert: write {{% if digest %}} around it')
        known = f": there are {', '.join(obj.__dataclass_fields__)}" if isinstance(obj, View) else ""
        return self.undefined(f'there is no "{attribute}" here{known}')

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, (str, tuple, list)) and isinstance(argument, int):
            return obj[argument] if -len(obj) <= argument < len(obj) else self.undefined(f"there is no item {argument}")
        return self.getattr(obj, str(argument))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise TemplateRuntimeError(f"{operator} is for numbers: write texts one after the other")
        return left + right if operator == "+" else left - right


def _shown(value: object, escape: Escape, escape_address: Escape) -> str:
    if isinstance(value, Address):
        return escape_address(value)
    if isinstance(value, str):
        return escape(value)
    if value is None:
        return ""
    if isinstance(value, int | float | jinja2.Undefined):
        return str(value)  # an undefined one says what is undefined
    raise TemplateRuntimeError("a list has to be looped over or joined, and of anything else a field named")
