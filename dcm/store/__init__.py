"""Places that hold instances, behind one protocol: directories, DICOM nodes, web services, media."""
