"""The nouns. Frozen values that every layer speaks; they know nothing of each other's users."""
