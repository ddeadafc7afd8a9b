"""JSON made such that its text can be kept and read: vendors hand on what their users typed, or cut it in the middle.

Half of a surrogate pair (an emoji cut off at 255 characters) is no character and stops a reader; a NUL no database
keeps. Both become U+FFFD, the sign for what cannot be shown.
"""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    rb"\\\\"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\u0000)"
)
_SUSPECT = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)")


def mended(body: bytes) -> bytes:
    """The JSON text with U+FFFD in place of NULs and of halves of surrogate pairs; the same object when it has none."""
    if _SUSPECT.search(body) is None:
        return body
    return _ESCAPES.sub(lambda found: rb"\ufffd" if found.group(1) else found.group(0), body)
