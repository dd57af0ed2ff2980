"""A module for each kind of server, `tiny_pacs.py` for `--remote tiny-pacs`; no list to update."""
