"""What a channel is given instead of its own wording: by a template of the user's, or by nobody."""

from collections.abc import Callable
from dataclasses import dataclass

from consumers.notify import Tidings


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """``text`` is in the channel's own markup, escaped; empty: the channel says it in its own words.

    ``subject``, on one line, is plain text for channels that have one. ``note`` is a sentence for the operator where a
    template failed; it goes into the receipt.
    """

    text: str = ""
    subject: str = ""
    note: str = ""


Render = Callable[[Tidings], Rendered]
"""Never raises: what cannot be rendered goes out in the channel's own words, with a note."""


def own_words(_: Tidings) -> Rendered:
    """Of a channel without a template."""
    return Rendered()
