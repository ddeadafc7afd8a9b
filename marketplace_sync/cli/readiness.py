"""Asks the web interface whether Dagster is really there: answering, code loaded, daemons alive."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

_QUERY = """
{
  workspaceOrError {
    ... on PythonError { message }
    ... on Workspace {
      locationEntries {
        name
        loadStatus
        locationOrLoadError { __typename ... on PythonError { message causes { message } } }
      }
    }
  }
  instance { daemonHealth { allDaemonStatuses { daemonType required lastHeartbeatTime } } }
}
"""


class DoesNotLoad(Exception):
    """The code location cannot be loaded, and waiting will not help. The message is Dagster's."""


def missing(url: str, since: float) -> str | None:
    """What is still missing, in words; None when everything is there. Raises DoesNotLoad.

    Signs of life of the daemons count from `since` on (seconds since 1970): earlier ones stay in the database."""
    try:
        _ask(f"{url}/server_info")
        answer = _ask(f"{url}/graphql", {"query": _QUERY})
    except (OSError, http.client.HTTPException, ValueError):
        return "the web interface does not answer yet"
    data = answer.get("data") or {}
    workspace = data.get("workspaceOrError") or {}
    if "message" in workspace:
        raise DoesNotLoad(workspace["message"])
    entries = workspace.get("locationEntries", [])
    for entry in entries:
        loaded = entry.get("locationOrLoadError") or {}
        if loaded.get("__typename") == "PythonError":
            raise DoesNotLoad(_root(loaded))
    if not entries or any(entry["loadStatus"] != "LOADED" for entry in entries):
        return "the code is still being loaded"
    statuses = ((data.get("instance") or {}).get("daemonHealth") or {}).get("allDaemonStatuses", [])
    required = {s["daemonType"].lower(): s["lastHeartbeatTime"] or 0.0 for s in statuses if s["required"]}
    silent = sorted(name for name, seen in required.items() if seen < since)
    if silent or not required:
        return f"no sign of life yet from: {', '.join(silent) or 'the daemon'}"
    return None


def _root(error: dict[str, Any]) -> str:
    """The first cause of an error: what wraps it only says that code was being loaded."""
    chain = [error, *error.get("causes", [])]
    return str(chain[-1].get("message") or "Dagster gives no reason").strip()


def _ask(url: str, body: Any = None) -> Any:
    """One request to this machine, past any proxy that is configured."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data=data, headers={"content-type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return json.load(answer)
