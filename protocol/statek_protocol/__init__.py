"""The wire between STATEK's processes: messages, values, errors, version."""
