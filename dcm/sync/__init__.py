"""Copying what destinations lack, between archives, directories and web services."""
