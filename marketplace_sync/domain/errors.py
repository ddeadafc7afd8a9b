"""Errors that every layer may meet. Each message says what happened, to what, and what to do.

MarketplaceSyncError
├── ConfigurationError        the settings: every problem at once
├── LedgerError
│   ├── LedgerUnavailable     no database, wrong database
│   └── LedgerTooNew          written by a later version of this software
└── TransportError            a vendor could not be asked
    ├── VendorUnavailable     nothing was sent, or a read failed: safe to repeat
    │   ├── Throttled         the vendor asked us to wait
    │   └── TooLate           a write could not begin in time
    ├── AnswerLost            a write went out and its answer did not arrive: in doubt
    ├── CredentialsRefused    401 or 403: stop and tell a person
    ├── RequestRejected       another 4xx: the vendor looked at it and said no
    └── AnswerUnreadable      an answer that is not what the vendor documents
"""

from __future__ import annotations


class MarketplaceSyncError(Exception):
    """Root of everything this project raises on purpose."""


class ConfigurationError(MarketplaceSyncError):
    """Every problem of the configuration in one go: `problems` are lines of `key: what is wrong; the fix`."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class LedgerError(MarketplaceSyncError):
    pass


class LedgerUnavailable(LedgerError):
    pass


class LedgerTooNew(LedgerError):
    pass


class TransportError(MarketplaceSyncError):
    """`connection` is the configured name; `operation` what was asked, without secrets or personal data."""

    def __init__(self, message: str, *, connection: str = "", operation: str = "", status: int | None = None) -> None:
        self.connection = connection
        self.operation = operation
        self.status = status
        super().__init__(message)


class VendorUnavailable(TransportError):
    pass


class Throttled(VendorUnavailable):
    def __init__(self, message: str, *, retry_after: float, connection: str = "", operation: str = "") -> None:
        self.retry_after = retry_after
        super().__init__(message, connection=connection, operation=operation, status=429)


class BudgetFull(Throttled):
    """Not sent: by our own count the vendor allows no further call yet. The vendor was not asked."""


class Unreachable(VendorUnavailable):
    """Not sent: no connection could be made."""


class TooLate(VendorUnavailable):
    """Not sent: what came before it took so long that somebody else may be sending it by now."""


class AnswerLost(TransportError):
    pass


class CredentialsRefused(TransportError):
    pass


class RequestRejected(TransportError):
    """`body` is the vendor's answer (at most 64 KiB), for the connector to read codes from; never logged whole."""

    def __init__(
        self, message: str, *, body: bytes = b"", connection: str = "", operation: str = "", status: int | None = None
    ) -> None:
        self.body = body
        super().__init__(message, connection=connection, operation=operation, status=status)


class AnswerUnreadable(TransportError):
    pass
