"""The search language of the `query:` argument: read into a tree, then asked of one indexed document at a time.

Whitespace means AND; `OR`, `NOT`, `-`, parentheses, `:` with `<` `>` `<=` `>=`, and quotes (Shopify, search syntax).
A filter the index does not know is ignored, not refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from marketplace_sync.sandbox.shopify.schema import utc
from marketplace_sync.sandbox.shopify.things import split_gid

Entry = Mapping[str, Any]
"""What the index knows of one document: a string, number, boolean, None, or a list of strings, by filter name."""


@dataclass(frozen=True)
class Term:
    field: str
    """Empty for a bare word, which is looked for in the entry's `default` fields."""
    operator: str
    value: str


@dataclass(frozen=True)
class Not:
    child: Query


@dataclass(frozen=True)
class And:
    children: tuple[Query, ...]


@dataclass(frozen=True)
class Or:
    children: tuple[Query, ...]


Query = Term | Not | And | Or

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<paren>[()])
      | (?P<minus>-)(?=[^\s])
      | (?P<field>[A-Za-z_][\w.$-]*):(?P<operator><=|>=|<|>)?\s*(?P<quoted>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")
      | (?P<field2>[A-Za-z_][\w.$-]*):(?P<operator2><=|>=|<|>)?(?P<bare>(?:\\.|[^\s()])+)
      | (?P<phrase>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")
      | (?P<word>(?:\\.|[^\s()])+)
    )""",
    re.VERBOSE,
)


def read(text: str) -> Query:
    """The tree of a search text. Malformed rests are taken as words, as a lenient search does."""
    return _Reader(list(_tokens(text))).whole()


def _tokens(text: str) -> Iterator[tuple[str, Term | None]]:
    position = 0
    while position < len(text) and text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            break
        position = match.end()
        if match["paren"] or match["minus"]:
            yield match["paren"] or "-", None
        elif match["field"]:
            yield "term", Term(match["field"], match["operator"] or ":", _unquoted(match["quoted"]))
        elif match["field2"]:
            yield "term", Term(match["field2"], match["operator2"] or ":", _unescaped(match["bare"]))
        elif match["phrase"]:
            yield "term", Term("", ":", _unquoted(match["phrase"]))
        elif match["word"] in ("AND", "OR", "NOT"):
            yield match["word"], None
        else:
            yield "term", Term("", ":", _unescaped(match["word"]))


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _unquoted(text: str) -> str:
    return _unescaped(text[1:-1])


class _Reader:
    def __init__(self, tokens: list[tuple[str, Term | None]]) -> None:
        self._tokens = tokens
        self._at = 0

    def _peek(self) -> str | None:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else None

    def whole(self) -> Query:
        found = self._either()
        while self._peek() is not None:  # a stray closing parenthesis
            self._at += 1
            found = And((found, self._either()))
        return found

    def _either(self) -> Query:
        parts = [self._all()]
        while self._peek() == "OR":
            self._at += 1
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self) -> Query:
        parts: list[Query] = []
        while (kind := self._peek()) not in (None, "OR", ")"):
            if kind == "AND":
                self._at += 1
                continue
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self) -> Query:
        kind, term = self._tokens[self._at]
        self._at += 1
        if kind in ("-", "NOT"):
            return Not(self._one()) if self._peek() not in (None, "OR", ")") else And(())
        if kind == "(":
            inner = self._either()
            if self._peek() == ")":
                self._at += 1
            return inner
        assert term is not None
        return term


def matches(query: Query, entry: Entry) -> bool:
    if isinstance(query, And):
        return all(matches(child, entry) for child in query.children)
    if isinstance(query, Or):
        return any(matches(child, entry) for child in query.children)
    if isinstance(query, Not):
        unknown = isinstance(query.child, Term) and query.child.field and not _known(query.child, entry)
        return bool(unknown) or not matches(query.child, entry)
    return _term_matches(query, entry)


def _known(term: Term, entry: Entry) -> bool:
    """A metafield that is filtered on was checked to be defined: an order without it simply has none."""
    return (
        term.field in entry
        or term.field.startswith("metafields.")
        or (term.field.endswith("_not") and term.field.removesuffix("_not") in entry)
    )


def _term_matches(term: Term, entry: Entry) -> bool:
    if not term.field:
        return any(_equal(entry.get(name), term.value, loose=True) for name in entry["default"])
    if term.field.endswith("_not") and term.field.removesuffix("_not") in entry:
        return not _equal(entry[term.field.removesuffix("_not")], term.value)
    if not _known(term, entry):
        return True
    known = entry.get(term.field)
    if term.operator == ":":
        return _equal(known, term.value)
    return _compared(known, term.operator, term.value)


def _equal(known: Any, wanted: str, loose: bool = False) -> bool:
    if isinstance(known, list):
        return any(_equal(one, wanted, loose) for one in known)
    if known is None:
        return wanted == ""
    if isinstance(known, bool):
        return wanted.lower() == str(known).lower()
    if isinstance(known, int):
        parts = split_gid(wanted)
        return (parts[1] if parts else wanted) == str(known)
    if looks_like_time(known) and looks_like_time(wanted):
        return bool(known == normal_time(wanted))
    if wanted == "*":
        return True
    # Not case-sensitive, `*` at the end is a prefix: why a SKU found here still has to be compared exactly.
    text, pattern = str(known).lower(), wanted.lower()
    if pattern.endswith("*"):
        return text.startswith(pattern[:-1])
    return pattern in text.split() or pattern == text if loose else pattern == text


def _compared(known: Any, operator: str, wanted: str) -> bool:
    if isinstance(known, list):
        return any(_compared(one, operator, wanted) for one in known)
    if known is None:
        return False
    left: Any
    right: Any
    if isinstance(known, int):
        parts = split_gid(wanted)
        number = parts[1] if parts else wanted
        if not number.lstrip("-").isdigit():
            return True
        left, right = known, int(number)
    elif looks_like_time(known):
        # A strict bound on a time was seen to let the bound itself through (Shopify, search syntax, seen by users).
        operator = {">": ">=", "<": "<="}.get(operator, operator)
        left, right = known, normal_time(wanted)
    else:
        left, right = str(known).lower(), wanted.lower()
    return bool({">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right}[operator])


_TIME = re.compile(r"\d{4}-\d\d-\d\d(T.*)?$")


def looks_like_time(value: Any) -> bool:
    return isinstance(value, str) and _TIME.match(value) is not None


def normal_time(text: str) -> str:
    """A time given in a search as the index keeps it. A date alone is its midnight, without an offset it is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    return utc(found if found.tzinfo else found.replace(tzinfo=UTC))


def terms(query: Query) -> Iterator[Term]:
    """Every term, wherever it stands."""
    if isinstance(query, Term):
        yield query
    elif isinstance(query, Not):
        yield from terms(query.child)
    else:
        for child in query.children:
            yield from terms(child)


def required_terms(query: Query) -> list[Term]:
    """Terms every match must satisfy: what an index can be asked first."""
    if isinstance(query, Term):
        return [query]
    if isinstance(query, And):
        return [term for child in query.children for term in required_terms(child)]
    return []
