"""The door under attack: one table of messages, sent over raw sockets to both ports of a running product."""
