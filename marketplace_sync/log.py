"""Where our own log lines go: to standard error, one line each, warnings and worse unless somebody asks for more."""

from __future__ import annotations

import logging
import sys

import stamina.instrumentation
import structlog


def configure(level: str = "warning") -> None:
    """`debug` shows every request to a vendor (operation, status, milliseconds, bytes). Raises KeyError for a level
    that there is not."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    stamina.instrumentation.set_on_retry_hooks([_repeated])


def _repeated(details: stamina.instrumentation.RetryDetails) -> None:
    """Ordinary: vendors throttle and stumble. What does not succeed in the end is told by whoever asked for it."""
    structlog.get_logger().info(
        "a read is repeated", attempt=details.retry_num, seconds=details.wait_for, problem=str(details.caused_by)
    )
