"""Backups of a product that works, restored as a user does it."""
