"""The evidence of a case, for people to read; made from tapes and tool runs, never from a server."""
