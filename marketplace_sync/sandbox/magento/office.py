"""What the shop's office and its hosting do: activate an integration, close for maintenance, run the consumers."""

from __future__ import annotations

from typing import Any

from marketplace_sync.sandbox.magento.bulk import Bulks
from marketplace_sync.sandbox.magento.oauth import Doorman
from marketplace_sync.sandbox.magento.shop import Shop

TROUBLES = ("maintenance", "unauthorised", "masked")


class Office:
    """Acts that are about the shop as a system, not about goods."""

    shop: Shop
    doorman: Doorman
    bulks: Bulks

    def act_trouble(self, kind: str, times: int | None = 1, path: str = "") -> dict[str, Any]:
        """Something goes wrong with the next calls (`times`; None until it is taken back with 0):

        maintenance (503 in HTML), unauthorised (401 though the token is good), masked (what was asked for is saved,
        and answered with a 500 and a report id; for paths that contain `path`).
        """
        if kind not in TROUBLES:
            raise ValueError(f"{kind!r} is none of {', '.join(TROUBLES)}")
        table = self.shop.state.collection("troubles")
        if times == 0:
            table.delete(kind)
        else:
            table.put(kind, {"times": times, "path": path})
        return {"kind": kind, "times": times}

    def act_deactivate_integration(self) -> dict[str, Any]:
        """Somebody deactivates the integration: its token is rejected."""
        self.doorman.revoke(True)
        return {"active": False}

    def act_activate_integration(self) -> dict[str, Any]:
        """Somebody activates the integration again."""
        self.doorman.revoke(False)
        return {"active": True}

    def act_run_consumers(self) -> dict[str, Any]:
        """Work off every queued operation now, whether or not consumers run."""
        return {"done": sum(self.bulks.run(key) for key in list(self.shop.bulks.keys()))}
