"""The DICOM toolkit on which the harness stands; it knows nothing of the harness."""

__version__ = "0.1.0"
