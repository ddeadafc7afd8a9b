"""The keys of the configuration as the manual's tables show them, drawn from the settings classes.

For a new platform, or keys that were added:

    python -m marketplace_sync_tests.configuration_tables john_lewis     prints the rows; say in words what is missing
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from marketplace_sync.connectors import registry
from marketplace_sync.domain.settlement.settings import FinanceSettings
from marketplace_sync.settings import ConnectionSettings, RouteSettings


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """A settings class' keys in the order in which they are declared; without those that every connection has."""
    common = () if model is ConnectionSettings else ConnectionSettings.model_fields
    return {name: field for name, field in model.model_fields.items() if name not in common}


def default_of(field: FieldInfo) -> str:
    """A default as a person would write it into the file."""
    if field.is_required():
        return "required"
    return _written(field.get_default(call_default_factory=True))


def _written(value: Any) -> str:
    if isinstance(value, BaseModel):
        inner = ", ".join(f"{name}: {_written(getattr(value, name))}" for name in type(value).model_fields)
        return f"{{{inner}}}" if len(inner) < 60 else "built in"
    if value is None or value in ("", (), {}):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return _duration(int(value.total_seconds()))
    if isinstance(value, tuple | list):
        return ", ".join(_written(part) for part in value)
    return str(value)


def _duration(seconds: int) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        # 24h, not 1d: people count deadlines in hours
        if seconds % size == 0 and seconds > size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def row(name: str, field: FieldInfo, about: str) -> str:
    return f"| `{name}` | {default_of(field)} | {about} |"


def documented(model: type[BaseModel]) -> dict[str, str]:
    """What the class says of its own keys, below each."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if not issubclass(cls, BaseModel) or cls is BaseModel:
            continue
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
        assert isinstance(definition, ast.ClassDef)
        for statement, after in zip(definition.body, definition.body[1:], strict=False):
            says = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and says:
                found[statement.target.id] = " ".join(str(after.value.value).split())  # type: ignore[attr-defined]
    return found


def table(model: type[BaseModel]) -> str:
    words = documented(model)
    rows = [row(name, field, words.get(name, "")) for name, field in keys_of(model).items()]
    return "\n".join(["| key | default | |", "|---|---|---|", *rows])


def models() -> dict[str, type[BaseModel]]:
    """Section of the manual -> its class."""
    platforms = {name: registry.package(name).SETTINGS for name in registry.PLATFORMS}
    return {"every connection": ConnectionSettings, **platforms, "routes": RouteSettings, "finance": FinanceSettings}


if __name__ == "__main__":
    for name in sys.argv[1:] or models():
        print(f"### {name}\n\n{table(models()[name])}\n")
