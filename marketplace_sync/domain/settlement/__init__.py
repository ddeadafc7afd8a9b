"""Payout reconciliation: what a marketplace owed, what it settled, and the one root cause of every difference.

Pure: orders, the store's record, settlement lines and bank receipts in, a `Result` out, in integer minor units.
`bulk` concludes the clean majority column by column; `order` judges every other order part by part. Modules that need
Polars (`frames`, `bulk`, `reconcile`) are imported where they are used, because importing it costs time.
"""
