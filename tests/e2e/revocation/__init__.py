"""Keys as their owner means them: dead when `revoke` has returned, alive when `create` has, within their limits and no further."""
