"""One module per change of the schema. A released one is never edited: a further change is a further module."""
