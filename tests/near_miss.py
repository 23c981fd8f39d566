"""A text just below a topic's line, whatever the weights of scoring are: found, not written down."""

from functools import cache

from consumers.matcher import Matcher
from consumers.model import Article, Topic
from consumers.scoring import LINE, NEAR
from tests.fake_embedder import FakeEmbedder

_FILLING = (
    "harvest county choir council school tax ferry storm week market farmer price rain vote cinema match train island "
    "budget museum garden river kitchen paper window winter summer doctor letter music dinner teacher horse village "
    "forest mountain captain engine silver painting theatre library holiday birthday customer factory pipeline"
).split()


@cache
def near_miss(query: str) -> tuple[str, str]:
    """Title and text. It says every word of ``query`` among more and more other ones."""
    matcher = Matcher(FakeEmbedder())
    matcher.apply({"t": Topic(id="t", query=query)})
    titles = (f"{query.split()[0].capitalize()} and more", "Of the county")
    for title in titles:
        for count in range(len(_FILLING) + 1):
            text = (title, f"{' '.join(query.split())} {' '.join(_FILLING[:count])}.")
            (judged,) = matcher.match([Article(id="a", feed_id="f", source="s", title=title, text=text[1], seen=0.0)])
            if judged.scores and NEAR + 0.05 < judged.scores[0].score < LINE - 0.05:
                return text
    raise AssertionError(f"no text lies just below the line of {query}")
