"""Logins that last: who is behind a request."""
