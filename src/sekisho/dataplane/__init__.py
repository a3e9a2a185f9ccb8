"""The data plane: one process that listens, checks, relays and records. It knows no database and no framework.

Start reading at exchange.py, the life of one request.
"""
