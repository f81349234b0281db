"""The audit log: every decision that security people ask about, as a chain of records that guests cannot reach."""
