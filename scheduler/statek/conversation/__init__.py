"""What a model is asked, from what the ledger holds of a conversation."""
