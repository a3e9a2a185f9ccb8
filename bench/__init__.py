"""Measures Sekisho beside nginx on the same machine in the same run. Nothing here is part of the product, and no test asserts a time."""
