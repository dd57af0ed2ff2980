"""How cases speak with servers: REST, DICOMweb, DIMSE by pynetdicom, dcmtk's programs."""
