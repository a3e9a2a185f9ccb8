"""Links that open once: invitations, and resets of a password."""
