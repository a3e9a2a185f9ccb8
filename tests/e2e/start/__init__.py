"""Starts that must not happen: one clear line that says what to do, exit 1, and every file as it was."""
