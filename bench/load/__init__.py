"""What makes load and what answers it: wrk with its scripts, nginx as floor and as upstream, and an upstream that streams."""
