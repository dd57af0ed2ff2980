"""A directory as an archive: DICOMweb (PS3.18) and DIMSE services over one catalogue of instances."""
