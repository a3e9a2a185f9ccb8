"""The slice of certificates, piece by piece."""
