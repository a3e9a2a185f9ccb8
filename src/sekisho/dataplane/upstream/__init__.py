"""Towards the providers: where they are, which connections are free, how one request and its answer travel."""
