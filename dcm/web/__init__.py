"""DICOMweb services (PS3.18): queries, retrievals and storage by HTTP."""
