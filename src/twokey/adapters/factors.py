"""Second factors: codes of authenticator apps (RFC 6238, by pyotp) and passkeys (WebAuthn, by webauthn).

Rules kept here:
- a code is compared in constant time, with the step of the clock before and after the present one: 90 seconds in all;
- a passkey must have verified its user (PIN, finger, face), not only have been touched;
- what a browser sends is not believed: anything that does not verify is `None`, never an exception.
"""

from __future__ import annotations

import hmac
import json
import secrets
from datetime import datetime
from hashlib import sha256
from typing import Any

import pyotp
from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from twokey.domain.credentials import Passkey, Site

__all__ = [
    "new_recovery_code",
    "new_totp",
    "passkey_fits",
    "passkey_question",
    "passkey_wish",
    "read_passkey",
    "totp_address",
    "totp_step",
]

ISSUER = "Twokey"
STEP_SECONDS = 30
DRIFT = 1
"""Steps of the clock, before and after the present one, whose codes are taken."""
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_WRONG = (WebAuthnException, ValueError, TypeError, KeyError, AttributeError)


def new_totp() -> str:
    """A secret for an authenticator app: 160 bits in base 32."""
    return pyotp.random_base32()


def totp_address(secret: str, username: str) -> str:
    """The `otpauth://` address that apps read, usually from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)


def totp_step(secret: str, code: str, now: datetime) -> int | None:
    """The step of the clock that this is the code of; nothing where it fits none near `now`."""
    present, found = int(now.timestamp()) // STEP_SECONDS, None
    for step in range(present - DRIFT, present + DRIFT + 1):
        right = pyotp.TOTP(secret).at(step * STEP_SECONDS)
        if hmac.compare_digest(right.encode(), code.encode("utf-8", "replace")):
            found = step
    return found


def new_recovery_code() -> str:
    """A code for the day when everything else is lost: four groups of four, about 79 bits."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(4))


def passkey_wish(site: Site, username: str, name: str, held: tuple[Passkey, ...], challenge: bytes) -> dict[str, Any]:
    """What a browser is asked to make a passkey by: `PublicKeyCredentialCreationOptions` as JSON."""
    options = generate_registration_options(
        rp_id=site.name,
        rp_name=ISSUER,
        user_id=sha256(b"twokey-user:" + username.encode()).digest(),
        user_name=username,
        user_display_name=name,
        challenge=challenge,
        attestation=AttestationConveyancePreference.NONE,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.DISCOURAGED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=_described(held),
    )
    document: dict[str, Any] = json.loads(options_to_json(options))
    return document


def passkey_question(site: Site, held: tuple[Passkey, ...], challenge: bytes) -> dict[str, Any]:
    """What a browser is asked to sign by: `PublicKeyCredentialRequestOptions` as JSON."""
    options = generate_authentication_options(
        rp_id=site.name,
        challenge=challenge,
        allow_credentials=_described(held),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    document: dict[str, Any] = json.loads(options_to_json(options))
    return document


def _described(held: tuple[Passkey, ...]) -> list[PublicKeyCredentialDescriptor]:
    known = {str(each.value): each for each in AuthenticatorTransport}
    return [
        PublicKeyCredentialDescriptor(
            id=base64url_to_bytes(each.id), transports=[known[way] for way in each.transports if way in known] or None
        )
        for each in held
    ]


def read_passkey(site: Site, challenge: bytes, answer: dict[str, Any], name: str, now: datetime) -> Passkey | None:
    """The passkey that a browser made for this challenge; nothing where its answer does not verify."""
    try:
        made = verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.name,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except _WRONG:
        return None
    ways = answer["response"].get("transports")
    return Passkey(
        id=bytes_to_base64url(made.credential_id),
        public_key=bytes_to_base64url(made.credential_public_key),
        site=site.name,
        name=name,
        created_at=now,
        sign_count=made.sign_count,
        transports=tuple(str(each)[:20] for each in ways[:6]) if isinstance(ways, list) else (),
    )


def passkey_fits(site: Site, challenge: bytes, held: Passkey, answer: dict[str, Any]) -> int | None:
    """The passkey's new count of signatures, if it signed this challenge here; nothing otherwise.

    A count that does not rise (unless it stays 0, as many keep none) is a copy of the passkey, and refused.
    """
    try:
        verified = verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=held.site,
            expected_origin=site.origin,
            credential_public_key=base64url_to_bytes(held.public_key),
            credential_current_sign_count=held.sign_count,
            require_user_verification=True,
        )
    except _WRONG:
        return None
    return verified.new_sign_count if bytes_to_base64url(verified.credential_id) == held.id else None
