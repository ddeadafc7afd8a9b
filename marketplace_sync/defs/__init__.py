"""Dagster's view of the flows, by business area. Thin: every function here calls a flow and reports what it did."""
