"""What addresses hold that nobody else should read, and text without it."""

from __future__ import annotations

import re


def mask_logins(text: str) -> str:
    """A text without the user names, passwords and tokens that stand before a host's name.

    A password may hold an unescaped slash or @: all up to the last @ of a word is taken for one.
    """
    return re.sub(r"""://[^\s"']*@""", "://***@", text)


def mask_credentials(text: str) -> str:
    """A URI, or a message that quotes some, without logins and the values of queries."""
    return re.sub(r"(://[^\s?]*)\?[^\s)'\"]+", r"\1?***", mask_logins(text))
