"""What the machine does to the product: full disks, failing disks, clocks that jump, links that are cut, descriptors that run out.

Each is done for real, to a running product under load; each test says what stays as it was meanwhile, and waits until all is as before.
"""
