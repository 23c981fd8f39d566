"""What Slack's refusals mean for the sender.

https://docs.slack.dev/reference/methods/chat.postMessage#errors, https://docs.slack.dev/reference/methods/chat.update#errors
"""

from typing import TYPE_CHECKING

from consumers.errors import Refused, Reject, Retry
from consumers.notify import Unanswered
from consumers.notify.status import classify, wait

if TYPE_CHECKING:
    from slack_sdk.errors import SlackApiError

_BUSY = {"ratelimited", "rate_limited", "message_limit_exceeded"}
_FAILED = {"internal_error", "fatal_error", "service_unavailable", "request_timeout"}  # may have been done all the same
_TOO_MUCH = {"msg_too_long", "msg_blocks_too_long", "invalid_blocks", "invalid_blocks_format", "metadata_too_large"}
# Which of them Slack says of a thread that is gone is not documented; often it says nothing and posts into the channel.
_NO_THREAD = {
    "thread_not_found",
    "message_not_found",
    "invalid_thread_ts",
    "cannot_reply_to_message",
    "restricted_action_thread_locked",
    "restricted_action_non_threadable_channel",
}
_THIS_ONE = {"no_text", "invalid_arguments", "duplicate_message_not_found"}
_NO_EDIT = {  # of one message
    "message_not_found": "it was deleted",
    "edit_window_closed": "the workspace no longer allows it",
    "cant_update_message": "it is not this app's",
    "is_inactive": "its channel is archived, frozen or deleted",
}
_EDIT_LATER = {"update_failed", "external_channel_migrating", "streaming_state_conflict"}
_WHAT_TO_DO = {
    "channel_not_found": "it knows no such channel: check the name, and invite the app if the channel is private",
    "not_in_channel": "the app is not in the channel: invite it there",
    "is_archived": "the channel is archived",
    "invalid_auth": "the token is not valid",
    "not_authed": "there is no token",
    "token_revoked": "the token was revoked",
    "token_expired": "the token has expired",
    "account_inactive": "the token's account was removed",
    "missing_scope": "the token lacks a right: it needs chat:write",
}


class TooMuchError(Reject):
    """Plain text may pass."""

    def __init__(self, code: str) -> None:
        super().__init__(f"too much for Slack ({code})")
        self.code = code


class NoThreadError(Reject):
    """The thread is gone, or takes nothing."""

    def __init__(self, code: str) -> None:
        super().__init__(f"Slack has no such thread ({code})")


class NotEditableError(Reject):
    """This message can no longer be edited; others can."""


class LacksScopeError(Refused):
    """The token lacks the right to this one call."""


def verdict(error: "SlackApiError", now: float) -> Reject | Retry:
    """What a refusal of the Web API means.

    An unknown code disables the channel, where alerts wait, rather than give up one alert after the other.
    """
    response = error.response
    status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0) or 0)
    code = code_of(error)
    after = wait(response.headers.get("Retry-After", ""), now)
    if status == 429 or code in _BUSY:
        return Retry("Slack asked us to slow down", after=after if after is not None else 30.0)
    if code in _TOO_MUCH:
        return TooMuchError(code)
    if code in _NO_THREAD:
        return NoThreadError(code)
    if code in _THIS_ONE:
        return Reject(f"Slack does not take this message ({code})")
    if code in _FAILED or not code:
        return classify(status, now=now) or Unanswered(
            f"Slack failed ({code or f'HTTP {status}, no answer'})", after=after
        )
    kind = LacksScopeError if code == "missing_scope" else Refused
    return kind(f"Slack refuses: {_WHAT_TO_DO.get(code, 'see its documentation')} ({code[:60]})")


def edit_verdict(error: "SlackApiError", now: float) -> Reject | Retry:
    """The same for an edit: what is unknown is said of one message, and disables nothing."""
    code = code_of(error)
    if why := _NO_EDIT.get(code):
        return NotEditableError(f"Slack does not edit this message: {why} ({code})")
    if code in _EDIT_LATER:
        return Retry(f"Slack cannot edit this message now ({code})")
    found = verdict(error, now)
    if isinstance(found, Refused) and code not in _WHAT_TO_DO:
        return NotEditableError(f"Slack does not edit this message ({code[:60]})")
    return found


def code_of(error: "SlackApiError") -> str:
    body = getattr(error.response, "data", None)
    return str(body.get("error", "")) if isinstance(body, dict) else ""
