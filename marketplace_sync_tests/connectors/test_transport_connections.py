"""Connections that break: nothing was sent, or nobody knows; never a third thing, and never later than the deadline."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable

import pytest

from marketplace_sync.domain.errors import AnswerLost, RequestRejected, TransportError, VendorUnavailable
from marketplace_sync_tests.connectors.http_service import scripted, wire_to

Script = Callable[[socket.socket, bytes], None]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.mark.parametrize("write", [False, True])
def test_when_nobody_listens_nothing_was_sent(write: bool) -> None:
    with pytest.raises(VendorUnavailable, match="was not sent"):
        wire_to(f"http://127.0.0.1:{free_port()}").request("POST", "/a/", write=write)


def test_an_unknown_host_means_that_nothing_was_sent() -> None:
    with pytest.raises(VendorUnavailable, match="was not sent"):
        wire_to("https://no-such-host.invalid", attempts=1).request("POST", "/a/", write=True)


def test_a_failed_encryption_handshake_means_that_nothing_was_sent() -> None:
    with scripted(lambda connection, head: None) as url, pytest.raises(VendorUnavailable, match="was not sent"):
        # The bare socket waits for a plain request and gets a handshake that it never answers.
        wire_to(url.replace("http://", "https://"), timeout_seconds=0.4, attempts=1).request("POST", "/a/", write=True)


def silent(connection: socket.socket, head: bytes) -> None:
    connection.recv(1)


def cut(connection: socket.socket, head: bytes) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def closed(connection: socket.socket, head: bytes) -> None:
    pass


def half_a_body(connection: socket.socket, head: bytes) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\ncontent-type: application/json\r\n\r\n{"a": ')


def half_a_chunk(connection: socket.socket, head: bytes) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\n')


def nonsense(connection: socket.socket, head: bytes) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


def dripping_head(connection: socket.socket, head: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nx-drip: ")
    for _ in range(200):
        connection.sendall(b"a")
        time.sleep(0.05)


def dripping_body(connection: socket.socket, head: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    for _ in range(200):
        connection.sendall(b" ")
        time.sleep(0.05)


BROKEN = [silent, cut, closed, half_a_body, half_a_chunk, nonsense, dripping_head, dripping_body]


@pytest.mark.parametrize("script", BROKEN)
def test_a_write_whose_answer_does_not_arrive_is_in_doubt_and_not_repeated(script: Script) -> None:
    heads = []

    def counted(connection: socket.socket, head: bytes) -> None:
        heads.append(head)
        script(connection, head)

    with scripted(counted, connections=5) as url:
        started = time.monotonic()
        with pytest.raises(AnswerLost, match="may or may not have been made"):
            wire_to(url, timeout_seconds=0.5).request("POST", "/a/", json={"n": 1}, write=True)
        assert time.monotonic() - started < 1.5
    assert len(heads) == 1


@pytest.mark.parametrize("script", BROKEN)
def test_a_read_whose_answer_does_not_arrive_is_repeated_and_then_given_up(script: Script) -> None:
    heads = []

    def counted(connection: socket.socket, head: bytes) -> None:
        heads.append(head)
        script(connection, head)

    with scripted(counted, connections=5) as url, pytest.raises(VendorUnavailable, match="try again later"):
        wire_to(url, timeout_seconds=0.3, attempts=2).request("GET", "/a/")
    assert len(heads) == 2


def test_a_vendor_that_stops_reading_does_not_hold_a_write_for_ever() -> None:
    release = threading.Event()

    def deaf(connection: socket.socket, head: bytes) -> None:
        release.wait(10)

    with scripted(deaf) as url:
        started = time.monotonic()
        with pytest.raises(AnswerLost):
            wire_to(url, timeout_seconds=0.5).request("POST", "/a/", content=b"x" * 30_000_000, write=True)
        assert time.monotonic() - started < 1.5
        release.set()


@pytest.mark.parametrize("value", ["a\r\nb: c", "\ud800"])
def test_a_header_that_cannot_be_written_is_refused_before_anything_is_sent(value: str) -> None:
    heads = []
    with (
        scripted(lambda connection, head: heads.append(head)) as url,
        pytest.raises(RequestRejected, match="was not sent"),
    ):
        wire_to(url).request("POST", "/a/", headers={"x": value}, write=True)
    assert heads == []


def test_an_answer_in_an_unasked_encoding_raises_within_the_family() -> None:
    def packed(connection: socket.socket, head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-encoding: br\r\n\r\nabc")

    def broken(connection: socket.socket, head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-encoding: gzip\r\n\r\nabc")

    for script in (packed, broken):
        with scripted(script) as url, pytest.raises(TransportError):
            wire_to(url, attempts=1).request("GET", "/a/")


def test_certificates_are_checked() -> None:
    from marketplace_sync.connectors.transport import tls_context

    context = tls_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
