"""Clients for the cases: REST, DICOMweb, DIMSE with pynetdicom, dcmtk's programs."""
