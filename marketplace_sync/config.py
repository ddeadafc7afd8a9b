"""Reads marketplace_sync.yaml and the environment into typed settings, and says everything that is wrong in one go."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ValidationError

from marketplace_sync import config_capabilities
from marketplace_sync.config_reading import read
from marketplace_sync.config_sentences import did_you_mean, one_of, sentences, without_credentials
from marketplace_sync.connectors import registry
from marketplace_sync.domain.errors import ConfigurationError
from marketplace_sync.domain.settlement.settings import FinanceSettings
from marketplace_sync.home import home_folder
from marketplace_sync.settings import ConnectionSettings, RouteSettings, Secret, SecretMissing

VARIABLE = "MARKETPLACE_SYNC_CONFIG"
SANDBOX_PORT_VARIABLE = "MARKETPLACE_SYNC_SANDBOX_PORT"
SANDBOX_PORT = 8700
LOG_VARIABLE = "MARKETPLACE_SYNC_LOG"
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
PACKAGED = Path(__file__).parent / "sandbox.yaml"
LOOPBACK = ("127.0.0.1", "localhost", "::1")

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
_ROLES = {"marketplace": "a marketplace", "store": "a store", "marketing": "a marketing account"}


@dataclass(frozen=True)
class Configuration:
    """What this installation is told, judged and complete: every name a route mentions exists and fits."""

    connections: dict[str, ConnectionSettings]
    routes: dict[str, RouteSettings]
    path: Path
    home: Path
    database_url: str | None = field(default=None, repr=False)
    """A server of somebody else's, as the person wrote it; None: the embedded one."""
    inbox_named: Path | None = None
    """Where finance puts its files, when that is not below the home."""
    log_level: str = "warning"
    """One of LOG_LEVELS."""

    @property
    def inbox(self) -> Path:
        """The folder that files are taken out of."""
        return self.inbox_named or self.home / "inbox"

    @property
    def is_packaged(self) -> bool:
        return self.path == PACKAGED

    def role(self, connection: str) -> str:
        """`marketplace`, `store` or `marketing`."""
        return str(registry.package_of(self.connections[connection]).ROLE)

    def with_role(self, role: str) -> dict[str, ConnectionSettings]:
        return {name: settings for name, settings in self.connections.items() if self.role(name) == role}

    def on_this_machine(self, port: int) -> list[str]:
        """The connections whose vendor is on this machine's loopback address at `port`."""
        return [
            name
            for name, settings in self.connections.items()
            if _is_loopback(settings.base_url) and urlsplit(settings.base_url).port == port
        ]


def find(environ: Mapping[str, str] = os.environ) -> Path:
    """The configuration file that counts: the one MARKETPLACE_SYNC_CONFIG names, else ./marketplace_sync.yaml, else
    the sandbox's, which comes with the package."""
    named = environ.get(VARIABLE, "").strip()
    if named:
        return Path(os.path.abspath(os.path.expanduser(named)))
    here = Path.cwd() / "marketplace_sync.yaml"
    return here if here.exists() else PACKAGED


def sandbox_port(environ: Mapping[str, str] = os.environ) -> int:
    """Where the sandbox of the packaged configuration listens. Raises ConfigurationError."""
    named = environ.get(SANDBOX_PORT_VARIABLE, "").strip() or str(SANDBOX_PORT)
    if not named.isdecimal() or not 0 < int(named) < 65536:
        raise ConfigurationError([f"{SANDBOX_PORT_VARIABLE}: {named!r} is not a port; write a number up to 65535"])
    return int(named)


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Configuration:
    """Read and judge the configuration. Raises ConfigurationError with every problem, each as
    `connections.john_lewis.base_url: what is wrong; the fix`; no line repeats a secret."""
    path = path or find(environ)
    content, problems = read(path)
    log_level = environ.get(LOG_VARIABLE, "").strip().lower() or "warning"
    if log_level not in LOG_LEVELS:
        problems.append(f"{LOG_VARIABLE}: {log_level!r} is no level; write one of {', '.join(LOG_LEVELS)}")
    if path == PACKAGED:
        _move_sandbox(content, sandbox_port(environ))
    for unknown in sorted(str(key) for key in content if key not in ("connections", "routes")):
        known = ("connections", "routes")
        problems.append(f"{unknown}: there is no such key{did_you_mean(unknown, known)}; known are {one_of(known)}")
    connections: dict[str, ConnectionSettings] = {}
    named = _section(content, "connections", problems)
    for name, raw in named.items():
        settings = _connection(name, raw, path.parent, environ, problems)
        if settings is not None:
            connections[name] = settings
    routes: dict[str, RouteSettings] = {}
    for name, raw in _section(content, "routes", problems).items():
        route = _route(name, raw, connections, set(named), problems)
        if route is not None:
            routes[name] = route
    _refuse_doubles(routes, problems)
    if problems:
        raise ConfigurationError([without_credentials(problem) for problem in problems])
    url = environ.get("MARKETPLACE_SYNC_DATABASE_URL", "").strip() or None
    inbox = environ.get("MARKETPLACE_SYNC_INBOX", "").strip()
    named_inbox = Path(os.path.abspath(os.path.expanduser(inbox))) if inbox else None
    return Configuration(connections, routes, path, home_folder(environ), url, named_inbox, log_level)


def _section(content: dict[str, Any], key: str, problems: list[str]) -> dict[str, Any]:
    """One of the two top keys, with names that can become part of asset keys and order identifiers."""
    section = content.get(key)
    if not section:
        problems.append(f"{key}: there are none; name at least one, or leave the file out to try the sandbox")
        return {}
    if not isinstance(section, dict):
        problems.append(f"{key}: it is not a mapping; write one name per {key[:-1]}, with its settings below it")
        return {}
    fine = {}
    for name, value in section.items():
        if isinstance(name, str) and _NAME.match(name):
            fine[name] = value
        else:
            problems.append(
                f"{key}.{name}: this name cannot be used; write small letters, digits and _, a letter first"
            )
    return fine


def _connection(
    name: str, raw: Any, folder: Path, environ: Mapping[str, str], problems: list[str]
) -> ConnectionSettings | None:
    place = f"connections.{name}"
    if not isinstance(raw, dict):
        problems.append(f"{place}: it is not a mapping; write its `platform` and its keys below it")
        return None
    platform = raw.get("platform")
    if platform is None:
        problems.append(f"{place}.platform: it is missing; write one of {one_of(registry.platforms())}")
        return None
    known = registry.platforms()
    if platform not in known:
        hint = did_you_mean(str(platform), known)
        problems.append(f"{place}.platform: {platform!r} is not known{hint}; write one of {one_of(known)}")
        return None
    model = registry.settings_class(platform, str(raw.get("dialect", "")))
    try:
        settings = model.model_validate(_with_absolute_files(raw, folder))
    except ValidationError as problem:
        problems.extend(sentences(place, model, problem))
        return None
    problems.extend(_secret_problems(place, settings, environ))
    return settings


def _with_absolute_files(raw: Any, folder: Path) -> Any:
    """`{file: secrets/key}` means the file next to the configuration, from wherever a process is started."""
    if isinstance(raw, list):
        return [_with_absolute_files(item, folder) for item in raw]
    if not isinstance(raw, dict):
        return raw
    if isinstance(raw.get("file"), str) and raw.keys() <= {"env", "file", "default"}:
        return {**raw, "file": folder / os.path.expanduser(raw["file"])}
    return {key: _with_absolute_files(value, folder) for key, value in raw.items()}


def _secret_problems(place: str, settings: ConnectionSettings, environ: Mapping[str, str]) -> Iterator[str]:
    for key, secret in _secrets(place, settings):
        if secret.default is not None and not _is_loopback(settings.base_url):
            yield (
                f"{key}: a `default` is only for the sandbox on this machine, and {settings.base_url} is not there;"
                " remove it and name the secret with {env: NAME} or {file: path}"
            )
        elif secret.env is not None and secret.file is None:
            if secret.default is None and not environ.get(secret.env, "").strip():
                yield f"{key}: the environment variable {secret.env} is not set; set it, or write {{file: path}}"
        elif secret.file is not None:
            try:
                secret.reveal()
            except SecretMissing as missing:
                yield f"{key}: {missing}; put the secret there, or write {{env: NAME}}"


def _secrets(place: str, value: Any) -> Iterator[tuple[str, Secret]]:
    """Every secret in some settings, however deep, with its key."""
    if isinstance(value, Secret):
        yield place, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(f"{place}.{name}", getattr(value, name))
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _secrets(f"{place}.{name}", inner)
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(value, 1):
            yield from _secrets(f"{place}[{position}]", inner)


def _route(
    name: str, raw: Any, connections: dict[str, ConnectionSettings], named: set[str], problems: list[str]
) -> RouteSettings | None:
    place = f"routes.{name}"
    try:
        route = RouteSettings.model_validate(raw if raw is not None else {})
    except ValidationError as problem:
        problems.extend(sentences(place, RouteSettings, problem))
        return None
    try:
        FinanceSettings.model_validate(route.finance)
    except ValidationError as problem:
        problems.extend(sentences(f"{place}.finance", FinanceSettings, problem))
    route = route.model_copy(update={"marketplace": route.marketplace or name})
    wanted = {"marketplace": route.marketplace, "store": route.store, "marketing": route.marketing}
    for key, connection in wanted.items():
        if connection is not None and (key != "marketplace" or route.marketplace):
            problems.extend(_role_problems(place, key, connection, connections, named))
    if route.store is None and route.marketing is None:
        problems.append(f"{place}: it leads nowhere; name a `store`, a `marketing` account, or both")
    problems.extend(config_capabilities.problems(place, route, connections))
    return route


def _role_problems(
    place: str, key: str, connection: str, connections: dict[str, ConnectionSettings], named: set[str]
) -> Iterator[str]:
    roles = {name: registry.package_of(settings).ROLE for name, settings in connections.items()}
    fitting = [name for name, role in roles.items() if role == key]
    if connection not in named:
        hint = did_you_mean(connection, named)
        yield f"{place}.{key}: there is no connection {connection!r}{hint}; {_ROLES[key]} here is: {one_of(fitting)}"
    elif connection in connections and connection not in fitting:
        role = _ROLES[roles[connection]]
        yield f"{place}.{key}: {connection} is {role}, not {_ROLES[key]}; name one of: {one_of(fitting)}"


def _refuse_doubles(routes: dict[str, RouteSettings], problems: list[str]) -> None:
    """Two routes from one marketplace into one place would put every order there twice; into two stores, it would be
    shipped twice."""
    first: dict[tuple[str, str], str] = {}
    feeding: dict[str, str] = {}
    for name, route in routes.items():
        if route.store is not None:
            other = feeding.setdefault(route.marketplace, name)
            if routes[other].store != route.store:
                problems.append(
                    f"routes.{name}.store: {other} puts the orders of {route.marketplace} into {routes[other].store}"
                    " already, and both stores would ship them; remove one of the two `store` keys"
                )
        for target in filter(None, (route.store, route.marketing)):
            earlier = first.setdefault((route.marketplace, target), name)
            if earlier != name:
                problems.append(
                    f"routes.{name}: it feeds {route.marketplace} into {target}, as {earlier} does; remove one of them"
                )


def _move_sandbox(content: dict[str, Any], port: int) -> None:
    """The packaged configuration follows the sandbox to another port."""
    for raw in content["connections"].values():
        parts = urlsplit(raw["base_url"])
        raw["base_url"] = urlunsplit(parts._replace(netloc=f"{parts.hostname}:{port}"))


def _is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in LOOPBACK
