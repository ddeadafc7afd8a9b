"""Before anything starts it is known whether the ports are free, and who has them when they are not."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from marketplace_sync.cli.addresses import Address, PortsTaken, answers, claim


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def at(port: int, what: str = "web interface", flag: str = "--port", host: str = "127.0.0.1") -> Address:
    return Address(what, host, port, flag)


def test_free_ports_are_given_as_asked_and_zero_becomes_one() -> None:
    first, second = claim([at(0), at(0, "webhook receiver", "--receiver-port")])
    assert 0 < first.port != second.port
    assert first.url == f"http://127.0.0.1:{first.port}"
    assert claim([first]) == [first]


def test_every_taken_port_is_said_with_its_flag_and_owner(taken: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as second:
        other = second.getsockname()[1]
        with pytest.raises(PortsTaken) as said:
            claim([at(taken), at(0, "sandbox", "--sandbox-port"), at(other, "webhook receiver", "--receiver-port")])
    first_line, second_line = str(said.value).split("\n")
    assert first_line.startswith(f"port {taken} (web interface) is taken by process {os.getpid()} (")
    assert first_line.endswith("stop that, or choose another with --port")
    assert second_line.startswith(f"port {other} (webhook receiver) is taken")
    assert second_line.endswith("--receiver-port")


def test_one_port_for_two_is_refused() -> None:
    free = claim([at(0)])[0].port
    with pytest.raises(PortsTaken, match=rf"port {free} is asked for by web interface \(--port\) and by sandbox"):
        claim([at(free), at(free, "sandbox", "--sandbox-port")])


def test_a_host_of_another_machine_is_refused_in_words() -> None:
    with pytest.raises(PortsTaken, match=r"cannot be used on 192\.0\.2\.1"):
        claim([at(0, host="192.0.2.1")])


def test_who_listens_everywhere_is_reached_on_this_machine(taken: int) -> None:
    assert at(3000, host="0.0.0.0").url == "http://127.0.0.1:3000"
    assert at(3000, host="::1").url == "http://[::1]:3000"
    assert answers(at(taken, host="0.0.0.0"))
    assert not answers(at(claim([at(0)])[0].port))
