"""What tests share: real engines, a scriptable upstream, a tap, the product as a child process. Nothing here is a mock."""
