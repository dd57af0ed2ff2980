"""Services over a directory: DIMSE and DICOMweb, on one index."""
