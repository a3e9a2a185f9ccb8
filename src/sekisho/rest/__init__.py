"""The endpoint toolkit: errors, pages, permissions, base schemas. Knows HTTP and no slice."""
