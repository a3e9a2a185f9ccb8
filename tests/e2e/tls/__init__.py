"""TLS at the doors, looked at from outside by the tools that people use."""
