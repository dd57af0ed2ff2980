"""The DICOM toolkit. The harness is built on it; the toolkit does not depend on the harness."""

__version__ = "0.1.0"
