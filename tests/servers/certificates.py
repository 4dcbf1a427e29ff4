"""Certificates for servers that talk TLS."""

import pathlib
import subprocess


def make(folder):
    """A CA, and certificates of a server named localhost and of a client, in `folder/certificates`."""
    made = folder / "certificates"
    made.mkdir(exist_ok=True)

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=made, check=True, capture_output=True)

    openssl(*"req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=milvault-test-ca".split(),
            *"-keyout ca.key -out ca.pem".split(), "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip
    (made / "extensions").write_text(
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n"
        "extendedKeyUsage=serverAuth,clientAuth\n"
    )
    for name in ("server", "client"):
        openssl(*f"req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout {name}.key -out {name}.csr".split())
        openssl(*f"x509 -req -days 3650 -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial".split(),
                *f"-extfile extensions -out {name}.pem".split())  # fmt: skip
    return pathlib.Path(made)
