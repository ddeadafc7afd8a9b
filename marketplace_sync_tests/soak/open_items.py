"""Work items that are open when the days are over: those that are about something real, and everything else."""

from __future__ import annotations

from sqlalchemy import text

from marketplace_sync.project import Project
from marketplace_sync_tests.faults.books import Books

CROSSED = "SHIPPED_MORE_THAN_ORDERED"
"""A buyer at the Marketplacer instance may cancel what left the store a moment ago, and Magento sends what it has
credited already: then a person has goods to get back. Nobody in the simulation does, so these stay; there is one for
exactly the orders of which the books say so."""
UNTOLD = "SELLER_REFUND"
"""Staff of Magento give back the delivery of a whole order with the first line that comes back, and Mirakl takes no
more than that line's own: a person has to make the rest good. Nobody does here either."""


def unexplained(project: Project, books: Books) -> list[str]:
    """A sentence about each open work item that nobody can account for, and each order that misses one."""
    with project.ledger.begin() as connection:
        rows = connection.execute(
            text("SELECT code, order_id, message FROM ledger.work_items WHERE state = 'open' ORDER BY work_item_id")
        ).all()
    about = {CROSSED: books.crossed, UNTOLD: books.untold}
    shown = {code: {row.order_id for row in rows if row.code == code} for code in about}
    return [
        *(f"{row.code}: {row.message}" for row in rows if row.order_id not in about.get(row.code, ())),
        *(
            f"order {order_id}: units left while they were cancelled, and nobody is told"
            for order_id in sorted(books.crossed - shown[CROSSED])
        ),
        *(
            f"order {order_id}: delivery that was given back did not reach the buyer, and nobody is told"
            for order_id in sorted(books.untold - shown[UNTOLD])
        ),
    ]
