"""One shop's calls: the shop on each of them, answers decoded, errors that name the operation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.connectors.wire import Answer, Wire
from marketplace_sync.decoding import decoder
from marketplace_sync.domain.errors import AnswerUnreadable

T = TypeVar("T")

Params = Mapping[str, str | int | list[str]]


class _Tokens(msgspec.Struct):
    data: list[msgspec.Raw]
    next_page_token: str | None = None


class Calls:
    """Thread-safe. Every method raises TransportError."""

    def __init__(self, settings: MiraklSettings, wire: Wire) -> None:
        self._settings = settings
        self._wire = wire

    @property
    def connection(self) -> str:
        return self._wire.connection

    def get(
        self, path: str, kind: type[T], *, params: Params | None = None, bucket: str = "default", operation: str
    ) -> T:
        answer = self._wire.request(
            "GET", path, params=self._with_shop(params), bucket=bucket, operation=operation, reads=()
        )
        return self.decoded(answer, kind, operation)

    def remembered(self, path: str, kind: type[T], *, params: Params | None = None, key: str, operation: str) -> T:
        """What the shop may be asked for once a day: `account_valid_for`, for all processes. Each has a bucket of its
        own, so that a refusal for the rest of the day stops nothing else (Mirakl, call budget: the daily group)."""
        body = self._wire.memory.remembered(
            f"{key}:{self._settings.shop_id or ''}",
            self._settings.account_valid_for,
            lambda: (
                self._wire.request("GET", path, params=self._with_shop(params), bucket=key, operation=operation).body
            ),
        )
        return self.decoded(Answer(status=200, headers={}, body=body), kind, operation)

    def raw(
        self,
        path: str,
        *,
        params: Params | None = None,
        bucket: str,
        operation: str,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A read whose answer is no JSON."""
        return self._wire.request(
            "GET", path, params=self._with_shop(params), bucket=bucket, operation=operation, headers=headers
        )

    def send(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        bucket: str = "default",
        operation: str,
    ) -> Answer:
        """A write, sent once."""
        return self._wire.request(
            method,
            path,
            params=self._with_shop(None),
            json=json,
            content=content,
            headers=headers,
            write=True,
            bucket=bucket,
            operation=operation,
        )

    def seek(
        self, path: str, *, params: Params, limit: int, bucket: str = "default", further: str = "", operation: str
    ) -> Iterator[list[bytes]]:
        """Pages of a list that is read by token; the token overrides every other parameter (Mirakl, pagination).
        `further` is the bucket of all but the first, if it is another."""
        asked: dict[str, str | int | list[str]] = {**params, "limit": limit}
        seen: set[str] = set()
        while True:
            page = self.get(path, _Tokens, params=asked, bucket=bucket, operation=operation)
            yield [bytes(raw) for raw in page.data]
            token = page.next_page_token
            if not token:
                return
            if token in seen:
                raise self.unreadable(operation, "the same page token came twice", 200)
            seen.add(token)
            asked = {"page_token": token, "limit": limit}
            bucket = further or bucket

    def is_over(self, operation: str, page: Sequence[object], offset: int, total: int) -> bool:
        """Whether a list read by offset has ended with this page, which ends at `offset`. Raises AnswerUnreadable for
        one that holds nothing before the list's end: what comes after it would never be read."""
        if not page and offset < total:
            raise self.unreadable(operation, f"nothing comes after the first {offset}, and {total} are there", 200)
        return offset >= total

    def decoded(self, answer: Answer, kind: type[T], operation: str) -> T:
        try:
            return decoder(kind, float_hook=Decimal).decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError) as problem:
            raise self.unreadable(operation, str(problem)[:200], answer.status) from None

    def unreadable(self, operation: str, why: str, status: int) -> AnswerUnreadable:
        return AnswerUnreadable(
            f"{self.connection}: the answer to {operation} is not what Mirakl documents: {why}",
            connection=self.connection,
            operation=operation,
            status=status,
        )

    def _with_shop(self, params: Params | None) -> dict[str, str | int | list[str]]:
        shop: Params = {} if self._settings.shop_id is None else {"shop_id": self._settings.shop_id}
        return {**(params or {}), **shop}
