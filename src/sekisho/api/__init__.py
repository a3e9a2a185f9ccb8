"""The management application: one list of routers, one error handler, deny by default."""
