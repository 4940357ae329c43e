"""What is sent: messages of any origin, and their forms. Pure."""

from slo_engine.notifications.alertmanager import as_payload
from slo_engine.notifications.message import Evidence, Link, Message, Missing, Section, Topic, restored
from slo_engine.notifications.text import as_text

__all__ = ["Evidence", "Link", "Message", "Missing", "Section", "Topic", "as_payload", "as_text", "restored"]
