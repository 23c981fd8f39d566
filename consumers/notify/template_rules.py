"""What a template may be made of: a part of Jinja whose work is bounded by its length and by what it is given.

There are no calls, so neither ``range`` nor ``namespace`` nor a macro; no arithmetic but + and - on numbers; nothing
that collects text in a name (``~``, block set), which would double with every line. What is left is text, values,
conditions, loops over the lists of an alert, and the filters of ``template_filters``.
"""

from difflib import get_close_matches

from jinja2 import nodes
from jinja2.environment import Environment
from jinja2.meta import find_undeclared_variables

from consumers.notify.template_filters import EACH, available
from consumers.notify.template_views import NAMES

DEEPEST = 30  # nodes inside each other
MOST_NODES = 3000
SUBJECT = "\x00"  # before a "Subject:" of the template's own; no text of an alert has this character

_FILTERS = sorted(name for name in available() if not name.startswith("_"))

_ALLOWED = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Assign),
    *(nodes.Name, nodes.Const, nodes.Tuple, nodes.List, nodes.Keyword),
    *(nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Filter, nodes.Test),
    *(nodes.CondExpr, nodes.Not, nodes.And, nodes.Or, nodes.Compare, nodes.Operand, nodes.Add, nodes.Sub, nodes.Neg),
)
_WORDS: dict[type[nodes.Node], str] = {
    nodes.Call: "calling something",
    nodes.Concat: 'joining with "~"',
    nodes.AssignBlock: "a block set",
    nodes.Macro: "a macro",
    nodes.CallBlock: "a call block",
    nodes.FilterBlock: "a filter block",
    nodes.Include: "an include",
    nodes.Import: "an import",
    nodes.FromImport: "an import",
    nodes.Extends: "an extends",
    nodes.Block: "a block",
    nodes.Mul: "multiplying",
    nodes.Pow: "a power",
    nodes.Mod: "formatting with %",
    nodes.Dict: "a dictionary",
    nodes.Scope: "a scope",
}


class RuleError(Exception):
    """``line`` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def within_bounds(tree: nodes.Template) -> nodes.Template:
    """The tree with its loops metered and its subject marked. Raises ``RuleError``."""
    count = _checked(tree, 0)
    if count > MOST_NODES:
        raise RuleError(f"it has more than {MOST_NODES} parts", 1)
    _known(tree)
    for loop in list(tree.find_all(nodes.For)):
        weight = nodes.Const(_size(loop), lineno=loop.lineno)
        loop.iter = nodes.Filter(loop.iter, EACH, [weight], [], None, None, lineno=loop.lineno)
    for data in tree.find_all(nodes.TemplateData):
        if data.data.lstrip().startswith("Subject:"):
            data.data = SUBJECT + data.data.lstrip()
    return tree


def is_about(tree: nodes.Template, name: str) -> bool:
    return any(found.name == name for found in tree.find_all(nodes.Name))


def _checked(node: nodes.Node, depth: int) -> int:
    """How many nodes it has."""
    if not isinstance(node, _ALLOWED):
        what = _WORDS.get(type(node), f'"{type(node).__name__.lower()}"')
        raise RuleError(f"{what} is not available in a template", node.lineno or 1)
    if depth > DEEPEST:
        raise RuleError("it is nested too deeply", node.lineno)
    if problem := _problem(node):
        raise RuleError(problem, node.lineno)
    return 1 + sum(_checked(child, depth + 1) for child in node.iter_child_nodes())


def _problem(node: nodes.Node) -> str:
    match node:
        case nodes.For(recursive=True):
            return "a recursive loop is not available in a template"
        case nodes.Assign(target=target) | nodes.For(target=target) if not isinstance(target, nodes.Name):
            return "only one plain name can be set"
        case nodes.Tuple() | nodes.List() if not all(isinstance(item, nodes.Const) for item in node.items):
            return "a list is made of plain texts and numbers only"
        case nodes.Filter(node=None) | nodes.Filter(dyn_args=nodes.Expr()) | nodes.Filter(dyn_kwargs=nodes.Expr()):
            return "a filter is written as value|filter"
        case nodes.Filter(name="map") if node.args:
            return 'map takes an attribute, as in map(attribute="source")'
        case nodes.Name(name=name) | nodes.Getattr(attr=name) | nodes.Filter(name=name) if name.startswith("_"):
            return f'there is no "{name}"'
        case nodes.Filter(name=name) if name not in _FILTERS:
            return f'there is no filter "{name[:40]}": there are {", ".join(_FILTERS)}'
        case nodes.TemplateData(data=data) if SUBJECT in data:
            return "it holds a control character"
    return ""


def _known(tree: nodes.Template) -> None:
    unknown = find_undeclared_variables(tree) - NAMES
    for name in tree.find_all(nodes.Name):
        if name.name in unknown:
            close = get_close_matches(name.name, sorted(NAMES), n=1)
            hint = f'did you mean "{close[0]}"?' if close else f"there are {', '.join(sorted(NAMES))}"
            raise RuleError(f'there is no "{name.name[:40]}": {hint}', name.lineno)


def _size(node: nodes.Node) -> int:
    return 1 + sum(_size(child) for child in node.iter_child_nodes())


def parse(environment: Environment, source: str) -> nodes.Template:
    """Raises ``RuleError``, and ``TemplateSyntaxError`` as Jinja does."""
    try:
        return environment.parse(source)
    except RecursionError as error:
        raise RuleError("it is nested too deeply", 1) from error
    except ValueError as error:  # of thousands of digits
        raise RuleError("it holds a number that is none", 1) from error
