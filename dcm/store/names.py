"""Safe file names made from any text: for Linux, macOS and Windows, in Unicode normal form NFC."""

import re
import unicodedata
from typing import Final

LONGEST: Final = 255
"""The limit of file systems for a name, in bytes of UTF-8."""

UNSAFE: Final = re.compile(
    r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f'  # separators, reserved by Windows, control characters
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible
    "\ud800-\udfff"  # surrogates cannot be encoded
    "\U000e0000-\U000e007f]"
)
"""Characters not allowed in names. The joiners U+200C and U+200D are needed in some scripts."""
_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)
_PLAIN: Final = re.compile(r"[0-9A-Za-z_^-][0-9A-Za-z_^+=.,~ -]*[0-9A-Za-z_^-]")
_DIGEST: Final = 5


def printable(text: str) -> str:
    """Replace each character that is not allowed in names by an underscore."""
    return UNSAFE.sub("_", text)


def file_name(text: str, limit: int = LONGEST) -> str:
    """Return a safe name of at most `limit` bytes; empty only for a text of spaces."""
    if not (_PLAIN.fullmatch(text) and len(text) <= limit):
        text = printable(unicodedata.normalize("NFC", text)).strip()
        if text.startswith("."):
            text = f"_{text[1:]}"
        if text.endswith("."):
            text = f"{text[:-1]}_"
        text = cut(text, limit)
    return cut(f"_{text}", limit) if _DEVICE.fullmatch(text) else text


def cut(text: str, limit: int) -> str:
    """Return a text of at most `limit` bytes in UTF-8; if cut, it ends with a digest."""
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    end = f"~{digest(text)}"
    return encoded[: limit - len(end)].decode(errors="ignore").rstrip() + end


def digest(text: str) -> str:
    """Return ten hexadecimal digits that identify a text."""
    import hashlib  # noqa: PLC0415 - loads OpenSSL, and is rarely needed

    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=_DIGEST).hexdigest()
