"""The field's own vocabulary, pure: no I/O, and nothing of ours imported."""
