"""Logins that another house vouches for, by OpenID Connect."""
