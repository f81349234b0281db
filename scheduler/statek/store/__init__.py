"""The rim towards disk: ledger, dbzero objects, recovery."""
