"""Small tools without opinions about gateways. Imports nothing of ours."""
