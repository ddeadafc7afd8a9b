"""What a simulated vendor remembers: documents in memory, written through to SQLite before an answer leaves.

A real vendor does not forget a committed write when one of its processes dies, so neither do these: the sandbox may be
killed at any instruction and comes back with everything it had answered for.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Document = dict[str, Any]


class Collection:
    """Documents of one kind by key, in order of insertion. Change a document, then `put` it: only that is kept."""

    def __init__(self, name: str, state: State) -> None:
        self.name = name
        self._state = state
        self._documents: dict[str, Document] = {}

    def get(self, key: str) -> Document | None:
        return self._documents.get(key)

    def __getitem__(self, key: str) -> Document:
        return self._documents[key]

    def __contains__(self, key: str) -> bool:
        return key in self._documents

    def __len__(self) -> int:
        return len(self._documents)

    def values(self) -> Iterator[Document]:
        return iter(self._documents.values())

    def items(self) -> Iterator[tuple[str, Document]]:
        return iter(self._documents.items())

    def keys(self) -> Iterator[str]:
        return iter(self._documents)

    def put(self, key: str, document: Document) -> Document:
        self._documents[key] = document
        self._state.changed(self.name, key)
        return document

    def delete(self, key: str) -> None:
        self._documents.pop(key, None)
        self._state.changed(self.name, key)


class State:
    """The collections of one vendor. `commit` makes every `put` since the last one durable, all or none."""

    def __init__(self, vendor: str, path: Path | None) -> None:
        """`path` is the SQLite file shared by all vendors, or None to keep everything in memory only."""
        self.vendor = vendor
        self._collections: dict[str, Collection] = {}
        self._changed: dict[tuple[str, str], None] = {}
        self._file: sqlite3.Connection | None = None
        self._position = 0
        self.on_reload: list[Callable[[], None]] = []
        """Called after a rollback replaced the documents: whoever keeps an index over them builds it again."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            # A killed process loses nothing with synchronous=OFF (the pages are the kernel's by then); a power cut may.
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=OFF")
            self._file.execute("PRAGMA busy_timeout=10000")
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS documents (vendor TEXT, collection TEXT, key TEXT, position INTEGER,"
                " document TEXT, PRIMARY KEY (vendor, collection, key))"
            )
            self._position = self._file.execute("SELECT COALESCE(MAX(position), 0) FROM documents").fetchone()[0]
            self._load()

    def _load(self) -> None:
        assert self._file is not None
        rows = self._file.execute(
            "SELECT collection, key, document FROM documents WHERE vendor = ? ORDER BY position", (self.vendor,)
        )
        for collection, key, document in rows:
            self.collection(collection)._documents[key] = json.loads(document)

    def collection(self, name: str) -> Collection:
        if name not in self._collections:
            self._collections[name] = Collection(name, self)
        return self._collections[name]

    def collections(self) -> dict[str, int]:
        return {name: len(collection) for name, collection in self._collections.items()}

    def changed(self, collection: str, key: str) -> None:
        self._changed[(collection, key)] = None

    def counter(self, name: str, start: int = 1) -> int:
        """The next number of a sequence that survives a restart."""
        counters = self.collection("_counters")
        document = counters.get(name) or {"next": start}
        value = int(document["next"])
        counters.put(name, {"next": value + 1})
        return value

    def is_committed(self, collection: str, key: str) -> bool:
        """Whether the document is as durable as it looks: no `put` of it waits for a commit."""
        return (collection, key) not in self._changed

    def commit(self) -> None:
        """Make every `put` since the last commit durable. Raises TypeError for a document that JSON cannot hold."""
        if self._file is None or not self._changed:
            self._changed.clear()
            return
        upserts, deletes = [], []
        for collection, key in self._changed:
            document = self._collections[collection]._documents.get(key)
            if document is None:
                deletes.append((self.vendor, collection, key))
            else:
                self._position += 1
                upserts.append((self.vendor, collection, key, self._position, json.dumps(document)))
        self._file.execute("BEGIN IMMEDIATE")
        try:
            # The position of a document is that of its first write: a later one keeps its place in the listing.
            self._file.executemany(
                "INSERT INTO documents VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (vendor, collection, key) DO UPDATE SET document = excluded.document",
                upserts,
            )
            self._file.executemany("DELETE FROM documents WHERE vendor = ? AND collection = ? AND key = ?", deletes)
            self._file.execute("COMMIT")
        except BaseException:
            self._file.execute("ROLLBACK")
            raise
        self._changed.clear()

    def rollback(self) -> None:
        """Forget what was put since the last commit (a handler failed half way), as if killed and started again.

        Without a file there is nothing to go back to: what the handler had put by then stays.
        """
        changed = bool(self._changed)
        self._changed.clear()
        if self._file is not None and changed:
            for collection in self._collections.values():
                collection._documents.clear()
            self._load()
            for reloaded in self.on_reload:
                reloaded()

    def clear(self) -> None:
        for collection in self._collections.values():
            for key in list(collection.keys()):
                collection.delete(key)
        self.commit()

    def close(self) -> None:
        if self._file is not None:
            self.commit()
            self._file.close()
            self._file = None
