"""One address for one page: what two spellings of a link have in common."""

import re
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

MOST_CHARACTERS = 4_096  # longer links are no links
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f]+")  # a link broken over lines

# Only names that nothing but tracking uses. A name like "ref", "source", "s" or "from" selects the page on some site.
_TRACKERS = frozenset(
    "fbclid gclid gclsrc dclid gbraid wbraid msclkid yclid twclid ttclid li_fat_id igshid igsh mc_cid mc_eid _ga _gl"
    " _hsenc _hsmi __hstc __hssc hsctatracking mkt_tok vero_id vero_conv oly_anon_id oly_enc_id at_medium at_campaign"
    " at_format at_link_id at_link_type at_link_origin at_bbc_team at_ptr_name ns_mchannel ns_source ns_campaign"
    " ns_linkname ns_fee cmpid wt_mc wt.mc_id xtor rss_id fb_action_ids fb_action_types fb_source epik ml_subscriber"
    " ml_subscriber_hash s_cid ftag".split()
)
_TRACKER_PREFIXES = ("utm_", "pk_", "mtm_", "matomo_", "hsa_")

_SAFE = "%!$&'()*+,;=:@/~-._"  # RFC 3986 pchar and "/"; "%" because escapes are kept
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_BARE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def canonical(url: str) -> str:
    """``url`` without tracking, fragment, credentials and default port; empty where it is not http or https.

    The remaining parameters keep their order and spelling. Idempotent; never raises.
    """
    try:
        parts = urlsplit(_UNSEEN.sub("", url).strip()) if len(url) <= MOST_CHARACTERS else None
        host = _host(parts) if parts else ""
    except ValueError:
        return ""
    if not parts or not host:
        return ""
    query = "&".join(pair for pair in parts.query.split("&") if pair and not _tracks(pair))
    made = urlunsplit((parts.scheme, host, _escaped(parts.path) or "/", _escaped(query, "?"), ""))
    return made if len(made) <= MOST_CHARACTERS else ""


def host_of(url: str) -> str:
    """The host's name in lower case without "www."; empty where there is none."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return host.removeprefix("www.")


def _host(parts: SplitResult) -> str:
    if parts.scheme not in _PORTS:
        return ""
    host = (parts.hostname or "").rstrip(".")
    host = f"[{host}]" if ":" in host else host
    if not host.isascii():
        host = host.encode("idna").decode("ascii").lower()  # UnicodeError is a ValueError
    if not _HOST.fullmatch(host):
        return ""
    port = parts.port
    return host if port in (None, _PORTS[parts.scheme]) else f"{host}:{port}"


def _tracks(pair: str) -> bool:
    name = pair.partition("=")[0].lower()
    return name in _TRACKERS or name.startswith(_TRACKER_PREFIXES)


def _escaped(text: str, more: str = "") -> str:
    """Escapes in upper case, none where none is needed, and one wherever one is."""
    text = _BARE_PERCENT.sub("%25", text)
    return quote(_ESCAPE.sub(_plain_or_upper, text), safe=_SAFE + more, errors="replace")


def _plain_or_upper(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if character in _UNRESERVED else found[0].upper()
