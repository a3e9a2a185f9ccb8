"""What is proven of `core/wire`: framing against the door's table and h11, the journal and the link against damage."""
