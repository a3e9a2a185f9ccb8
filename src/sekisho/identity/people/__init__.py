"""The people of an installation, their roles and passwords."""
