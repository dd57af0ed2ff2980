"""Integration tests for DICOM servers: servers, relay, clients, cases, evidence, report.

Importing this package imports nothing else: `generate_config.py` runs on a bare Python.
"""
