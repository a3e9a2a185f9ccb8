"""The console as a person has it: a real Chromium before the real product."""
