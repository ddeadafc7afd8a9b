"""Finds out whether the ports `up` needs are free, and who has them when they are not."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

from marketplace_sync.config import LOOPBACK
from marketplace_sync.domain.errors import MarketplaceSyncError


class PortsTaken(MarketplaceSyncError):
    """Somebody else listens where we are to. One line per port, with the flag that chooses another."""


@dataclass(frozen=True)
class Address:
    what: str
    """What listens there, as people call it."""
    host: str
    port: int
    flag: str

    @property
    def url(self) -> str:
        """How a browser on this machine reaches it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self.port}"


def claim(addresses: list[Address]) -> list[Address]:
    """The same addresses, with a free port where 0 was asked for. Raises PortsTaken for all that are taken."""
    chosen: list[Address] = []
    problems: list[str] = []
    for address in addresses:
        try:
            chosen.append(Address(address.what, address.host, _try(address), address.flag))
        except OSError as problem:
            problems.append(_explain(address, problem))
    seen: dict[int, Address] = {}
    for address in chosen:
        other = seen.setdefault(address.port, address)
        if other is not address:
            problems.append(
                f"port {address.port} is asked for by {other.what} ({other.flag}) and by {address.what}"
                f" ({address.flag}): give them different ones"
            )
    if problems:
        raise PortsTaken("\n".join(problems))
    return chosen


def answers(address: Address) -> bool:
    """Whether somebody accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection((_local(address.host), address.port), timeout=1):
        return True
    return False


def silent_place(base_url: str) -> str:
    """The place on this machine that a vendor's address leads to, when nobody listens there: that is certain at once.
    Empty when somebody does, or when it leads elsewhere."""
    place = urlsplit(base_url)
    there = place.hostname not in LOOPBACK or answers(Address("", place.hostname, place.port or 80, ""))
    return "" if there else place.netloc


def _local(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def _try(address: Address) -> int:
    family, kind, protocol, _, place = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        # As the servers do: a port whose last connections are still being closed is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(place)
        probe.listen(1)
        return int(probe.getsockname()[1])


def _explain(address: Address, problem: OSError) -> str:
    place = f"port {address.port} ({address.what})"
    if isinstance(problem, socket.gaierror):
        return f"{address.host} is not an address of this machine ({address.what}): correct the host"
    if isinstance(problem, PermissionError):
        return f"{place} needs rights that this user lacks: choose one above 1023 with {address.flag}"
    owner = _owner(address.port)
    if owner is None and problem.strerror and "in use" not in problem.strerror.lower():
        return f"{place} cannot be used on {address.host} ({problem.strerror}): correct the host or {address.flag}"
    return f"{place} is taken{f' by {owner}' if owner else ''}: stop that, or choose another with {address.flag}"


def _owner(port: int) -> str | None:
    """The process that listens there, as far as this user may know."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="inet"):
            local = connection.laddr
            if connection.status == psutil.CONN_LISTEN and local and local.port == port and connection.pid:
                process = psutil.Process(connection.pid)
                return f"process {connection.pid} ({' '.join(process.cmdline()[:4])[:80] or process.name()})"
    return None
