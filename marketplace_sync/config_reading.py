"""Reads the configuration file: strictly, so that what it says is what was meant, and every slip in one go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from marketplace_sync.domain.errors import ConfigurationError


def read(path: Path) -> tuple[dict[str, Any], list[str]]:
    """The file's mapping, and the problems that leave the rest worth judging (keys written twice).
    Raises ConfigurationError when there is nothing to judge."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(
            [f"{path}: there is no such file; set MARKETPLACE_SYNC_CONFIG to your configuration"]
        ) from None
    except OSError as problem:
        raise ConfigurationError([f"{path}: it cannot be read ({problem.strerror}); make it readable"]) from None
    except UnicodeDecodeError as problem:
        raise ConfigurationError(
            [f"{path}: byte {problem.start} is not UTF-8; save the file in that encoding"]
        ) from None
    try:
        loader = _Loader(text)
        try:
            content = loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as problem:
        # found before a line is parsed, so it has a position in the text and no mark
        line = text.count("\n", 0, problem.position) + 1
        raise ConfigurationError(
            [f"{path}: line {line}: the character U+{problem.character:04X} may not be in YAML; remove it"]
        ) from None
    except yaml.YAMLError as problem:
        raise ConfigurationError([f"{path}: {_sentence(problem)}"]) from None
    if content is None:
        raise ConfigurationError([f"{path}: it is empty; it names `connections` and `routes`"])
    if not isinstance(content, dict):
        raise ConfigurationError([f"{path}: it is not a mapping; at its top it names `connections` and `routes`"])
    return content, loader.slips


class _Loader(yaml.SafeLoader):
    """Builds plain values only, and notices keys that are written twice: the second one would silently win."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.slips: list[str] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        first: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            line = key.start_mark.line + 1
            if key.value in first:
                self.slips.append(
                    f"line {line}: `{key.value}` is written twice (first in line {first[key.value]});"
                    " remove one, or give it another name"
                )
            first.setdefault(key.value, line)
        return super().construct_mapping(node, deep)


def _sentence(problem: yaml.YAMLError) -> str:
    """What the parser stumbled over, where, in words. It never repeats the line: it may hold a secret."""
    mark = getattr(problem, "problem_mark", None) or getattr(problem, "context_mark", None)
    what = getattr(problem, "problem", None) or "it is not YAML"
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    if "could not determine a constructor" in what:
        return f"{place}a tag (!something) is not understood here; write the plain value"
    hint = "indent with blanks" if "'\\t'" in what else "look at the indentation and quotes there and just above"
    return f"{place}{what}; {hint}"
