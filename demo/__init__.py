"""The demonstration: agent programs, honest and hostile, run side by side over public data."""
