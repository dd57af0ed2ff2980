"""UIDs that several services propose, separate from the other imports of these services."""

from typing import Final

from dcm.data.encoding import LITTLE_ENDIAN

PATIENT_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.1.1"
STUDY_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
STORAGE_COMMITMENT: Final = "1.2.840.10008.1.20.1"
WORKLIST_FIND: Final = "1.2.840.10008.5.1.4.31"
NATIVE: Final = LITTLE_ENDIAN
"""Transfer syntaxes that need no codec; everyone supports the second (PS3.5 10.1)."""
