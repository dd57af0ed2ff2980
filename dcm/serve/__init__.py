<<<<<<< HEAD
"""A directory as an archive: DICOMweb (PS3.18) and DIMSE services over one catalogue of instances."""
=======
"""Services over a directory: DIMSE and DICOMweb, on one index."""
>>>>>>> dimse
