"""DICOMweb services (PS3.18): queries, retrievals and storage over HTTP."""
