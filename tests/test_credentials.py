"""Text without what addresses hold that nobody else should read."""

from __future__ import annotations

import pytest

from lmtune.credentials import mask_credentials, mask_logins


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("http://me:secret@host:5000/x", "http://***@host:5000/x"),
        ("http://secret@host", "http://***@host"),
        ("postgresql+psycopg2://me:a/secret@b@host/db", "postgresql+psycopg2://***@host/db"),
        ('uri: "http://me:secret@host", mail: me@host', 'uri: "http://***@host", mail: me@host'),
        ("a://u:secret@h b://v:secret@i", "a://***@h b://***@i"),
        ("sqlite:///mlruns/mlflow.db", "sqlite:///mlruns/mlflow.db"),
        ("http://host:5000", "http://host:5000"),
        ("mail me@host", "mail me@host"),
    ],
)
def test_logins_when_in_a_text_are_masked(text: str, masked: str) -> None:
    assert mask_logins(text) == mask_credentials(text) == masked


def test_queries_when_in_an_address_are_masked_with_the_logins_alone() -> None:
    text = "see mysql://me:secret@h/db?password=secret, why?"
    assert mask_credentials(text) == "see mysql://***@h/db?*** why?"
    assert mask_logins("https://h/x?y=1") == "https://h/x?y=1"
