"""How somebody gets in: the setup link, a password, a registration."""
