"""What Slack's errors mean: one table for the Web API and for incoming webhooks.

https://docs.slack.dev/reference/methods/chat.postMessage#errors, https://docs.slack.dev/reference/methods/chat.update#errors,
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
"""

from __future__ import annotations

from collections.abc import Mapping

from slo_engine.delivery.sink import Misconfigured, Refused, Retry

FOR_NOW = frozenset(
    {
        "external_channel_migrating",
        "fatal_error",
        "internal_error",
        "message_limit_exceeded",
        "org_login_required",
        "rate_limited",
        "ratelimited",
        "request_timeout",
        "rollup_error",
        "service_unavailable",
        "team_added_to_org",
        "update_failed",
    }
)
"""The same request may pass later."""

_TOKEN = "check token: it is the Bot User OAuth Token (xoxb-...) of the app, and changes when the app is reinstalled"  # noqa: S105
_NEW_WEBHOOK = "create a new webhook in the settings of the app and set url"
_CHANNEL = "check channel: its ID stands at the end of the channel's details; invite the app to a private channel"
_ADMINISTRATOR = "ask an administrator of the workspace to allow it"
_TOO_LONG = "shorten the templates of this sink"

FOR_GOOD: Mapping[str, str] = {
    "access_denied": _ADMINISTRATOR,
    "accesslimited": "allow the address of this engine in the settings of the workspace or of the app",
    "account_inactive": _TOKEN,
    "action_prohibited": _ADMINISTRATOR,
    "cannot_reply_to_message": "Slack takes no replies to this message",
    "channel_is_archived": "unarchive the channel, or set another one",
    "channel_not_found": _CHANNEL,
    "deprecated_endpoint": "update slo-engine",
    "ekm_access_denied": _ADMINISTRATOR,
    "enterprise_is_restricted": "install the app in a workspace, and use the token of that",
    "invalid_arguments": _TOO_LONG,
    "invalid_attachments": _TOO_LONG,
    "invalid_auth": _TOKEN,
    "invalid_blocks": _TOO_LONG,
    "invalid_blocks_format": _TOO_LONG,
    "invalid_payload": _TOO_LONG,
    "invalid_token": _NEW_WEBHOOK,
    "is_archived": "unarchive the channel, or set another one",
    "is_inactive": "the channel is frozen, archived or deleted: set another one",
    "method_deprecated": "update slo-engine",
    "missing_scope": "add the scope chat:write to the app, and reinstall it",
    "msg_blocks_too_long": _TOO_LONG,
    "msg_too_long": _TOO_LONG,
    "no_permission": "invite the app to the channel: /invite @app",
    "no_service": _NEW_WEBHOOK,
    "no_service_id": _NEW_WEBHOOK,
    "no_team": _NEW_WEBHOOK,
    "no_text": "a template of this sink writes nothing",
    "not_allowed_token_type": _TOKEN,
    "not_authed": _TOKEN,
    "not_in_channel": "invite the app to the channel: /invite @app",
    "posting_to_general_channel_denied": _ADMINISTRATOR,
    "restricted_action": _ADMINISTRATOR,
    "restricted_action_non_threadable_channel": "set a channel that takes replies in threads",
    "restricted_action_read_only_channel": "set a channel that is not read-only",
    "restricted_action_thread_only_channel": "set a channel that takes messages outside of threads",
    "team_access_not_granted": "install the app in this workspace",
    "team_disabled": "the workspace is disabled",
    "team_not_found": _TOKEN,
    "token_expired": "set token to one that does not rotate",
    "token_revoked": _TOKEN,
    "too_many_attachments": _TOO_LONG,
    "two_factor_setup_required": "set up two-factor authentication for the user that the token belongs to",
    "user_not_found": _NEW_WEBHOOK,
}
"""The same request would be refused again, until somebody does what stands here."""

LIMITS = frozenset({"message_limit_exceeded", "rate_limited", "ratelimited"})
"""Slack works, and takes only so much in a time."""

ROOT_GONE = frozenset(
    {
        "block_mismatch",
        "cant_update_message",
        "edit_window_closed",
        "message_not_found",
        "streaming_state_conflict",
        "thread_not_found",
    }
)
"""The message of the incident is no longer there to be changed: a new one is begun."""

NO_THREADS = frozenset({"cannot_reply_to_message", "restricted_action_non_threadable_channel"})
"""The message itself could be changed, which is what counts unless somebody has to be told."""

FORM_REFUSED = frozenset(
    {
        "invalid_arguments",
        "invalid_blocks",
        "invalid_blocks_format",
        "invalid_payload",
        "msg_blocks_too_long",
        "msg_too_long",
    }
)
"""Slack does not like the form: the short one may pass."""


ABOUT_THE_MESSAGE = FORM_REFUSED | {"cannot_reply_to_message", "invalid_attachments", "no_text", "too_many_attachments"}
"""Nobody can change anything but the message."""


def outcome_of(error: str, said: str, after: float | None = None) -> Retry | Misconfigured | Refused:
    """What an error means for a delivery. ``said``: the error, and what Slack says of it; ``after``: seconds."""
    if error in FOR_NOW:
        return Retry(f"Slack: {said}", after, is_limit=error in LIMITS)
    if error in ROOT_GONE:
        return Refused(f"Slack: {said}: the message cannot be changed any more")
    reason = f"Slack: {said}: {FOR_GOOD.get(error, 'see https://docs.slack.dev/reference/methods')}"
    return Refused(reason) if error in ABOUT_THE_MESSAGE else Misconfigured(reason)
