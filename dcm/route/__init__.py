"""Routing: objects go to the destinations that routes name, and are never lost on the way."""
