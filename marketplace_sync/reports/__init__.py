"""What finance opens: spreadsheets, CSV, JSON, a one-page digest, a journal."""
