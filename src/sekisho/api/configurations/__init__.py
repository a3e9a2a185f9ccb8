"""Configuration as code: what is set up, as one document that can be written, compared and applied."""
