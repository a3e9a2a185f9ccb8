"""The product on PostgreSQL: the main path, starts that cannot be, several nodes, and a server that dies under load."""
