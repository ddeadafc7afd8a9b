"""Decoders are made in one place, because threads that meet a type for the first time together end the process."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import marketplace_sync

PACKAGE = Path(marketplace_sync.__file__).parent

MEETING = """
import sys, threading
import msgspec
from marketplace_sync.decoding import converted, decoded

KINDS = '''
class Line(msgspec.Struct): sku: str; units: list[int]
class Parcel(msgspec.Struct): number: str; lines: list[Line]
class Order(msgspec.Struct): key: str; parcel: Parcel; parcels: list[Parcel]; by_name: dict[str, Line]
'''
DOCUMENT = {"sku": "A", "units": [1]}
DOCUMENT = {"number": "1", "lines": [DOCUMENT]}
DOCUMENT = {"key": "1", "parcel": DOCUMENT, "parcels": [DOCUMENT], "by_name": {"x": {"sku": "A", "units": [2]}}}
WRITTEN = msgspec.json.encode(DOCUMENT)
sys.setswitchinterval(1e-6)
for _ in range(60):
    kinds = {"msgspec": msgspec, "__name__": "__main__"}
    exec(KINDS, kinds)
    together = threading.Barrier(6)
    def meet(turn):
        together.wait()
        read = decoded(WRITTEN, kinds["Order"]) if turn % 2 else converted(DOCUMENT, kinds["Order"])
        assert read.parcels[0].lines[0].units == [1]
    threads = [threading.Thread(target=meet, args=(turn,)) for turn in range(6)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
print("all met")
"""


def test_threads_that_meet_a_type_together_go_on() -> None:
    done = subprocess.run([sys.executable, "-c", MEETING], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "all met\n", "")


def test_nobody_else_makes_decoders() -> None:
    """What is told a type decodes by it; the simulated vendors have one thread each."""
    elsewhere = []
    for path in PACKAGE.rglob("*.py"):
        if "sandbox" in path.parts or path.name == "decoding.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            typed = called == "msgspec.json.decode" and any(given.arg == "type" for given in node.keywords)
            if typed or called in ("msgspec.json.Decoder", "msgspec.convert", "msgspec.msgpack.Decoder"):
                elsewhere.append(f"{path.relative_to(PACKAGE)}:{node.lineno}: {called}")
    assert elsewhere == []
