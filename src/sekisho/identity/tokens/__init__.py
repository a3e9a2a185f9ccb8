"""Access tokens: what a person's scripts speak to the management API with."""
