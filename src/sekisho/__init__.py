"""Sekisho: a checkpoint for LLM traffic. Papers are checked, tolls levied, smugglers stopped.

Read docs/explanation/architecture.md first; then core/model, dataplane/exchange.py, app/build.py.
"""

__version__ = "0.1.0"
