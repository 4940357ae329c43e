"""A message as a mail: text and HTML side by side, a picture, documents, and the headers that make a thread.

Nothing in a header comes from outside but in one line; every part is encoded, so that no line is longer than the 998
bytes of https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1 and a server without 8BITMIME takes it.
"""

from __future__ import annotations

import hashlib
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from functools import cache
from pathlib import Path
from typing import Any

from slo_engine.charts.budgets import budgets
from slo_engine.delivery.cutting import cut_lines, whole
from slo_engine.delivery.forms import Markup
from slo_engine.delivery.png import png_of
from slo_engine.notifications import Message, Outline, outline
from slo_engine.notifications.message import Document, Link
from slo_engine.notifications.outline import one_line

LONGEST_HTML = 90_000
"""Bytes. Gmail shows the first 102 KB of a mail, and "Message clipped"."""

LONGEST_TEXT = 60_000
LONGEST_SUBJECT = 250
LONGEST_LINKS = 30_000
"""Characters, of all addresses: there is no half of one."""

LARGEST_DOCUMENTS = 7 * 1024 * 1024
"""Bytes of what goes with a mail, which base64 makes a third larger; many servers stop at 10 MB."""

_AS_SENT = SMTP.clone(max_line_length=500)
"""Headers longer than this are folded; a shorter limit leaves the line of "Subject:" empty."""

_PICTURED = frozenset({"digest", "status"})
_THREADED = frozenset({"firing", "update", "resolved", "status"})

AS_HTML = Markup(
    escape=html.escape,
    bold=lambda text: f"<strong>{text}</strong>",
    code=lambda text: f"<code>{text}</code>",
    link=lambda title, url: f'<a href="{url}">{title}</a>',
    bullet="&bull; ",
)

_PICTURE = '<p><img src="cid:budgets" alt="How much of each error budget is left" width="640"></p>\n'

_FOLDER = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Thread:
    """Where a mail stands among those of its incident."""

    root: str
    """The Message-ID of the first one."""
    newest: str
    subject: str
    """Of the first one: mail programs join what has the same, but for ``Re:``."""

    @classmethod
    def of(cls, receipt: Mapping[str, Any] | None) -> Thread | None:
        """From the receipt of an earlier mail; None where there is none."""
        values = [(receipt or {}).get(name) for name in ("root", "message_id", "subject")]
        texts = [value for value in values if isinstance(value, str)]
        return cls(*texts) if len(texts) == len(values) else None

    def as_receipt(self) -> dict[str, str]:
        """For the next mail."""
        return {"message_id": self.newest, "root": self.root, "subject": self.subject}


@dataclass(frozen=True)
class Mail:
    """A mail, ready to be sent, and the thread as it stands with it."""

    content: bytes
    thread: Thread


def mail_of(
    message: Message,
    parts: Mapping[str, str],
    *,
    sender: str,
    to: Sequence[str],
    thread: Thread | None = None,
    has_own_subject: bool = False,
) -> Mail:
    """``parts``: ``subject``, ``text`` and ``html`` as templates wrote them. ``thread``: of an earlier mail.
    ``has_own_subject``: it goes before that of the thread."""
    found = outline(message)
    if message.kind not in _THREADED:
        thread = None
    written = one_line(parts["subject"], LONGEST_SUBJECT) or "slo-engine"
    message_id = message_id_of(message.key, sender)
    now = Thread(
        root=thread.root if thread else message_id,
        newest=message_id,
        subject=thread.subject if thread else written,
    )
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = ", ".join(to)
    mail["Subject"] = written if thread is None or has_own_subject else f"Re: {thread.subject}"
    mail["Date"] = datetime.now(UTC)
    mail["Message-ID"] = message_id
    if thread is not None:
        mail["In-Reply-To"] = thread.newest
        mail["References"] = " ".join(dict.fromkeys((thread.root, thread.newest)))
    mail["Auto-Submitted"] = "auto-generated"  # https://www.rfc-editor.org/rfc/rfc3834#section-5
    mail["X-Auto-Response-Suppress"] = "All"  # Exchange's, against notes of absence
    mail["X-SLO-Engine-Kind"] = message.kind
    if found.severity:
        mail["X-SLO-Engine-Severity"] = one_line(found.severity, 100)
    mail["X-SLO-Engine-Thread"] = _hashed(message.thread)
    _add_content(mail, message, found, parts)
    return Mail(mail.as_bytes(policy=_AS_SENT), now)


def message_id_of(key: str, sender: str) -> str:
    """The same for every attempt, so that a mail that arrives twice is one."""
    return f"<{_hashed(key)}@{parseaddr(sender)[1].rpartition('@')[2]}>"


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]


def _add_content(mail: EmailMessage, message: Message, found: Outline, parts: Mapping[str, str]) -> None:
    picture = _picture(message)
    text = _text(found, parts["text"])
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(_page(found, parts, has_picture=picture is not None), subtype="html", cte="quoted-printable")
    if picture is not None:
        alternatives = mail.get_payload()
        assert isinstance(alternatives, list)
        page = alternatives[1]
        assert isinstance(page, EmailMessage)
        page.add_related(picture, "image", "png", cid="<budgets>", disposition="inline", filename="budgets.png")
    for document in _documents(message):
        main, _, sub = document.media_type.partition("/")
        name = one_line(document.name, 100).replace("/", "-")
        mail.add_attachment(document.text.encode(errors="replace"), main, sub or "plain", filename=name)


def _picture(message: Message) -> bytes | None:
    if message.kind not in _PICTURED or message.post is None or not message.post.statuses:
        return None
    return png_of(budgets(message.post.statuses))


def _documents(message: Message) -> Sequence[Document]:
    documents = message.post.documents if message.post else ()
    return whole(documents, lambda document: len(document.text.encode(errors="replace")), LARGEST_DOCUMENTS)


def _links(found: Outline) -> Sequence[Link]:
    links = dict.fromkeys((*found.links, *found.traces))
    return whole(links, lambda link: len(html.escape(link.url + link.title)), LONGEST_LINKS)


def _head(found: Outline) -> str:
    """The first that is read, and what a list of mails shows beside the subject."""
    severity = f" [{found.severity}]" if found.severity else ""
    is_since = found.kind in ("firing", "update")
    at = f"{' since' if is_since else ','} {found.at}" if found.at else ""
    return f"{found.headline}{severity}{at}"


def _text(found: Outline, text: str) -> str:
    links = "\n".join(f"{link.title}: {link.url}" for link in _links(found))
    facts = "\n".join(f"{name}: {value}" for name, value in found.facts)
    parts = (f"{_head(found)}\n{found.title}", cut_lines(text, LONGEST_TEXT), facts, links)
    return "\n\n".join(part for part in parts if part).replace("\r", "")


def _page(found: Outline, parts: Mapping[str, str], *, has_picture: bool) -> str:
    page = _inlined(_framed(found, parts["html"], has_picture=has_picture))
    if page is None or len(page.encode()) > LONGEST_HTML:
        # There is no half of a page. The text can be cut.
        longest = LONGEST_HTML - LONGEST_LINKS - 20_000
        inside = html.escape(cut_lines(parts["text"], LONGEST_TEXT)).replace("\n", "<br>\n")
        while len(inside.encode()) > longest:
            inside = cut_lines(inside, len(inside) * 3 // 4)
        page = _inlined(_framed(found, f"<p>{inside}</p>", has_picture=has_picture)) or ""
    return page


def _framed(found: Outline, inside: str, *, has_picture: bool) -> str:
    picture = _PICTURE if has_picture else ""
    links = "\n".join(AS_HTML.link(html.escape(each.title), html.escape(each.url)) for each in _links(found))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>slo-engine</title><style>{_style()}</style></head><body>
<div class="paper">
<div class="head {found.tone}"><div class="kind">{html.escape(_head(found))}</div>
<h1>{html.escape(found.title)}</h1></div>
<div class="body">
{picture}{inside}
<p class="links">{links}</p>
</div></div></body></html>"""


def _inlined(page: str) -> str | None:
    """With its styles where mail programs look for them; None for HTML of which nothing can be made."""
    import css_inline

    try:
        return css_inline.CSSInliner(load_remote_stylesheets=False).inline(page)
    except (css_inline.InlineError, ValueError):
        return None


@cache
def _style() -> str:
    return (_FOLDER / "email.css").read_text(encoding="utf-8")
