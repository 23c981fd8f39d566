"""A certificate authority made for one run, and what it issued. All files are PEM."""

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key


@dataclass(frozen=True)
class Certificates:
    ca: Path
    server: Path  # key and certificates, for 127.0.0.1 and localhost
    client: Path  # certificates
    client_key: Path


def certificates(folder: Path) -> Certificates:
    """Where `make` puts them."""
    return Certificates(*(folder / name for name in ("ca.pem", "server.pem", "client.pem", "client-key.pem")))


def make(files: Certificates) -> None:
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    client = authority.issue_cert("wirewatch.example", common_name="wirewatch")
    files.ca.write_bytes(authority.cert_pem.bytes())
    files.server.write_bytes(_key(server) + _chain(server))
    files.client.write_bytes(_chain(client))
    files.client_key.write_bytes(_key(client))


def _key(issued: trustme.LeafCert) -> bytes:
    """As PKCS #8, which alone Java reads; trustme writes the older format."""
    key = load_pem_private_key(issued.private_key_pem.bytes(), password=None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _chain(issued: trustme.LeafCert) -> bytes:
    return b"".join(part.bytes() for part in issued.cert_chain_pems)
