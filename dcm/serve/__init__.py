"""A directory as an archive: DIMSE services and DICOMweb (PS3.18) over one catalogue of instances."""
