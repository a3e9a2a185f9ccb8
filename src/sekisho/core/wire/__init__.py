"""Bytes to values and back: HTTP/1.1, server-sent events, the link between node and worker, the journal."""
