"""Pictures signed with Content Credentials (C2PA), by its own SDK and a certificate made here."""

import io
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

_CREATED = {
    "label": "c2pa.actions",
    "data": {
        "actions": [
            {
                "action": "c2pa.created",
                "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/"
                "trainedAlgorithmicMedia",
            }
        ]
    },
}


@cache
def signed(kind: str, *, thumbnail: bool = False) -> bytes:
    """A small signed picture; with a thumbnail of it the manifest is larger than 64 kB."""
    drawn, made = io.BytesIO(), io.BytesIO()
    Image.effect_noise((96, 64), 90).convert("RGB").save(drawn, kind.upper())
    drawn.seek(0)
    media_type = f"image/{kind}"
    settings = {"builder": {"thumbnail": {"enabled": thumbnail}}}
    manifest = {
        "claim_generator_info": [{"name": "tests"}],
        "format": media_type,
        "assertions": [_CREATED],
    }
    with c2pa.Context.from_dict(settings) as context:
        c2pa.Builder(manifest, context=context).sign(_signer(), media_type, drawn, made)
    return made.getvalue()


def validation_of(data: bytes, media_type: str) -> str | None:
    """Return what the SDK says of the signature of a picture; None if it has no manifest."""
    reader = c2pa.Reader.try_create(media_type, io.BytesIO(data))
    if reader is None:
        return None
    state: str = json.loads(reader.json())["validation_state"]
    return state


def _signer() -> Any:  # noqa: ANN401 (the SDK has no types)
    certificates, key = _certificates()

    def sign(data: bytes) -> bytes:
        both = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
        return b"".join(number.to_bytes(32) for number in both)

    return c2pa.Signer.from_callback(sign, c2pa.C2paSigningAlg.ES256, certificates, None)


@cache
def _certificates() -> tuple[str, ec.EllipticCurvePrivateKey]:
    """Return a certificate and its issuer's, and the key of the first."""
    issuing, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = (
        _certificate("Issuer", issuing.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(sign=False), critical=True)
        .sign(issuing, hashes.SHA256())
    )
    signer = (
        _certificate("Signer", key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuing.public_key()),
            critical=False,
        )
        .add_extension(_usage(sign=True), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
        .sign(issuing, hashes.SHA256())
    )
    chain = signer.public_bytes(Encoding.PEM) + issuer.public_bytes(Encoding.PEM)
    return chain.decode(), key


def _certificate(name: str, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name("Issuer"))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(name: str) -> x509.Name:
    named = {NameOID.COMMON_NAME: name, NameOID.ORGANIZATION_NAME: "Tests"}
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in named.items()])


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not sign,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
