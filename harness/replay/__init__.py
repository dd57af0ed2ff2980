"""Resend what was recorded of a case, and compare the responses with the recorded ones."""
