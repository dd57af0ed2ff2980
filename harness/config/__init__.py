"""The configurations of the two servers: their content, writing them, and reading them back.

Standard library only, like everything that `generate_config.py` needs: it must run straight from a
checkout.
"""
