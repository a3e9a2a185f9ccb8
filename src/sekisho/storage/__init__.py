"""The database: how it is opened, its tables, its migrations, its backups. Knows rows and transactions, no slice's meaning."""
