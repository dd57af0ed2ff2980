"""How we identify ourselves, in associations and in files (PS3.7 D.3.3.2)."""

from typing import Final

from dcm import __version__

IMPLEMENTATION_CLASS_UID: Final = "2.25.213446188240736542571934206846018437541"
IMPLEMENTATION_VERSION_NAME: Final = f"DCM_{__version__}"[:16]
