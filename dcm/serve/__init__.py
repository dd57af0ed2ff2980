"""Serves one catalogue of instances as an archive, by DIMSE and DICOMweb (PS3.18)."""
