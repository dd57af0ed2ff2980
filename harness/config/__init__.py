"""Configurations of the two servers: what they say, how they are written, how they are read back.

Standard library only, like everything that `generate_config.py` needs: it must run straight from a
checkout.
"""
