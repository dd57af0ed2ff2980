#!/bin/sh
# Runs the commands harness and dcm; their bundled packages take precedence over those of the system.
folder=/usr/lib/dicom-harness
PYTHONPATH=$folder:$folder/vendor${PYTHONPATH:+:$PYTHONPATH}
PYTHONDONTWRITEBYTECODE=1 # only root could write there
export PYTHONPATH PYTHONDONTWRITEBYTECODE
exec python3 -m "${0##*/}" "$@"
