"""The rim towards executors: endpoint, leases, keys."""
