"""HTTP/1.1 framing (RFC 9112). llhttp parses; this package adds every bound, the checks that it leaves out, and the writers."""
