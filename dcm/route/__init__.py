"""Routing: what comes goes to the destinations that routes name, and is never lost on the way."""
