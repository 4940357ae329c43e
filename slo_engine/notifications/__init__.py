"""What is sent: messages of any origin, and their forms. Pure."""

from slo_engine.notifications.alertmanager import as_payload, plain
from slo_engine.notifications.message import (
    Document,
    Evidence,
    Link,
    Message,
    Missing,
    Post,
    Section,
    Topic,
    restored,
)
from slo_engine.notifications.outline import Outline, outline

__all__ = [
    "Document",
    "Evidence",
    "Link",
    "Message",
    "Missing",
    "Outline",
    "Post",
    "Section",
    "Topic",
    "as_payload",
    "outline",
    "plain",
    "restored",
]
