"""What the tests with one and with several associations share."""

PARALLEL_STORE = True
"""Whether several associations are used at the same time to send."""
PARALLEL_GET = True
"""The same for fetching."""
