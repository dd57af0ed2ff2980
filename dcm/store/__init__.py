"""Places that store instances, behind one protocol: directories, DICOM nodes, web services, media."""
