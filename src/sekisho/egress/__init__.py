"""The control plane's one way out. Nothing else here opens an outbound connection."""
