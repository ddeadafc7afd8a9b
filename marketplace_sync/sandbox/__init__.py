"""The vendors, simulated over real HTTP: what a newcomer runs against and what the tests prove against.

Nothing in here is imported by connectors or flows, and nothing of theirs is imported here: each vendor is written from
the vendor's published behaviour alone, so that a misreading on one side shows up as a disagreement.
"""
