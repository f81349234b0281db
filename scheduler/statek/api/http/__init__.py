"""The HTTP face: the same acts as JSON-RPC under `/rpc` and as REST under `/v1`, and jobs as streams of events."""
