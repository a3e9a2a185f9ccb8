"""The second factor of a login: codes of an authenticator, and recovery codes for the day it is lost."""
