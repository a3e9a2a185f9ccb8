"""How a database of one version becomes one of the next: on both kinds, killed anywhere, failing, and by two nodes at once."""
