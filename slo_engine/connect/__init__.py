"""Outgoing HTTP: one block of settings, one set of clients, one table of what can go wrong."""

from slo_engine.connect.address import AddressError, check_address, shown
from slo_engine.connect.connection import PUBLIC_HEADERS, Connection
from slo_engine.connect.deadline import BusyError, Deadline
from slo_engine.connect.failure import Failure, Reason, failure_of
from slo_engine.connect.retry_after import retry_after
from slo_engine.connect.tls import TlsError
from slo_engine.connect.verdict import Verdict, explained, said_in, verdict_on

__all__ = [
    "PUBLIC_HEADERS",
    "AddressError",
    "BusyError",
    "Connection",
    "Deadline",
    "Failure",
    "Reason",
    "TlsError",
    "Verdict",
    "check_address",
    "explained",
    "failure_of",
    "retry_after",
    "said_in",
    "shown",
    "verdict_on",
]
