"""Processes are killed with -9 under load, and the books are compared: what clients received, what the upstream saw, what is recorded.

By hand for as long as one likes: python -m tests.e2e.crash --seconds 600 --workers 4 --victims all
"""
