"""Helpers shared by several folders of selftests."""
