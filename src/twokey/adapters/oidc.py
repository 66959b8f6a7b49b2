"""Signing in by an OpenID provider: the authorization code flow with PKCE, state and nonce (OpenID Connect Core 1.0).

Rules kept here:
- the provider is the one that was set up: its documents must name its issuer letter by letter, and so must the ID token
  and, where the provider sends one, the answer's `iss` (RFC 9207), so that no other provider is mixed in;
- an ID token counts when its signature fits a key of the provider, by an asymmetric algorithm, and it was made for us
  (`aud`, `azp`), for this journey (`nonce`), and is not over;
- an agent's access token (RFC 9068) counts when it says of itself that it is one (`at+jwt`), names this very audience,
  and ends within a day; a stranger's token has the provider's keys read anew once a minute at most;
- what does not fit is `Unproven`, with a reason for the log; the person hears no details;
- everything travels by TLS, or to this very machine.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import httpx
from authlib.common.security import generate_token
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from twokey.domain.elsewhere import MOST_MANDATE, Mandate, Setting, Unproven, Voucher

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA", "RS384", "RS512", "ES384", "ES512", "PS384", "PS512"]
"""No `none`, and none whose key is a shared secret."""
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
KEPT = 3600.0
"""Seconds after which the provider's documents are read anew."""
PATIENCE = 10.0
LEEWAY = 60
"""Seconds by which two clocks may differ."""
ACCESS_TOKEN = {"at+jwt", "application/at+jwt"}
ANEW = 60.0
"""Seconds between two readings of the keys that strangers' tokens may cause."""


class OpenIdProvider:
    """One provider, and this server as its client."""

    def __init__(self, issuer: str, client_id: str, secret: str = "", name: str = "") -> None:
        self.name = name or urlsplit(issuer).hostname or issuer
        self.issuer = self._issuer = issuer
        self._client_id, self._secret = client_id, secret
        self._lock = Lock()
        self._known: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._read_at = self._keys_read_at = 0.0
        _check_channel(issuer)

    def begin(self, callback: str, after: str, *, anew: bool, link: str) -> tuple[Setting, str]:
        """What to remember of a sign-in, and the address at the provider that it leads to.

        `anew` has the person show themselves there again. Raises Unproven where the provider cannot be read.
        """
        setting = Setting(
            state=generate_token(43), nonce=generate_token(43), verifier=generate_token(64),
            callback=callback, after=after, anew=anew, link=link,
        )  # fmt: skip
        more = {"prompt": "login", "max_age": "0"} if anew else {}
        address: str = prepare_grant_uri(
            self._document()["authorization_endpoint"],
            client_id=self._client_id,
            response_type="code",
            redirect_uri=callback,
            scope="openid profile email",
            state=setting.state,
            nonce=setting.nonce,
            code_challenge=create_s256_code_challenge(setting.verifier),
            code_challenge_method="S256",
            **more,
        )
        return setting, address

    def finish(self, setting: Setting, answer: Mapping[str, str], now: datetime) -> Voucher:
        """Whom the provider vouches for at the end of a setting. Raises Unproven."""
        if "error" in answer:
            raise Unproven(f"the provider said `{answer['error'][:80]}`", declined=True)
        if answer.get("iss", self._issuer) != self._issuer:
            raise Unproven("the answer is another provider's")
        if not answer.get("code"):
            raise Unproven("the answer holds no code")
        return self._voucher(self._exchange(setting, answer["code"]), setting, now)

    def _exchange(self, setting: Setting, code: str) -> str:
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": setting.callback,
            "code_verifier": setting.verifier, "client_id": self._client_id,
        }  # fmt: skip
        auth = (self._client_id, self._secret) if self._secret else None
        said = self._ask("POST", self._document()["token_endpoint"], data=form, auth=auth)
        token = said.get("id_token")
        if not isinstance(token, str):
            raise Unproven("the provider gave no ID token")
        return token

    def _voucher(self, token: str, setting: Setting, now: datetime) -> Voucher:
        try:
            claims = self._claims(token, setting, now)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise Unproven(f"the ID token does not hold: {error}"[:300]) from None
        subject, shown_at = claims.get("sub"), claims.get("auth_time")
        if not isinstance(subject, str) or not subject:
            raise Unproven("the ID token names nobody")
        if setting.anew and shown_at is None:
            raise Unproven("the provider does not say when the person showed themselves")
        return Voucher(
            subject=f"{self._issuer} {subject}",
            username=str(claims.get("preferred_username") or claims.get("email") or ""),
            name=str(claims.get("name") or ""),
            shown_at=datetime.fromtimestamp(shown_at, UTC) if shown_at is not None else None,
        )

    def _claims(self, token: str, setting: Setting, now: datetime) -> CodeIDToken:
        decoded = self._decoded(token)
        options: Any = {"iss": {"values": [self._issuer], "essential": True}}
        claims = CodeIDToken(
            decoded.claims, decoded.header, options, {"nonce": setting.nonce, "client_id": self._client_id}
        )
        claims.validate(now=int(now.timestamp()), leeway=LEEWAY)
        audience = claims["aud"]
        if self._client_id not in (audience if isinstance(audience, list) else [audience]):
            raise ValueError("it was made for somebody else")
        return claims

    def mandate(self, token: str, audience: str, now: datetime) -> Mandate:
        """What an access token that the provider made for this audience says. Raises Unproven."""
        try:
            decoded = self._decoded(token, patient=True)
            self._check_mandate(decoded, audience, now)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise Unproven(f"the access token does not hold: {error}"[:300]) from None
        said = decoded.claims
        return Mandate(
            subject=f"{self._issuer} {said['sub']}",
            client=said["client_id"],
            scopes=frozenset(str(said.get("scope", "")).split()),
        )

    def _check_mandate(self, token: jwt.Token, audience: str, now: datetime) -> None:
        claims = token.claims
        if str(token.header.get("typ", "")).lower() not in ACCESS_TOKEN:
            raise ValueError("it is no access token")
        wanted: Any = {name: {"essential": True} for name in ("sub", "client_id", "exp", "iat")}
        wanted |= {"iss": {"essential": True, "value": self._issuer}, "aud": {"essential": True, "value": audience}}
        jwt.JWTClaimsRegistry(now=int(now.timestamp()), leeway=LEEWAY, **wanted).validate(claims)
        if not all(isinstance(claims[name], str) and claims[name] for name in ("sub", "client_id")):
            raise ValueError("it names nobody")
        if claims["exp"] > (now + MOST_MANDATE).timestamp():
            raise ValueError("it lasts too long")

    def _decoded(self, token: str, *, patient: bool = False) -> jwt.Token:
        """The token, if a key of the provider signed it; an unknown key has the keys read anew, once.

        Who is `patient` bears that they were read just now, and are not read again for every stranger.
        """
        fresh = self._keys is not None and time.monotonic() - self._keys_read_at < ANEW
        for anew in (False, True):
            try:
                return jwt.decode(token, self._key_set(anew=anew), algorithms=ALGORITHMS)
            except (JoseError, ValueError):
                if anew or (patient and fresh):
                    raise
        raise AssertionError

    def _document(self) -> dict[str, Any]:
        """What the provider says of itself."""
        with self._lock:
            if not self._known or time.monotonic() - self._read_at > KEPT:
                found = self._ask("GET", self._issuer.rstrip("/") + "/.well-known/openid-configuration")
                if found.get("issuer") != self._issuer:
                    raise Unproven("the provider's own document names another issuer")
                for endpoint in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                    _check_channel(str(found.get(endpoint)))
                self._known, self._keys, self._read_at = found, None, time.monotonic()
            return self._known

    def _key_set(self, *, anew: bool) -> KeySet:
        address = self._document()["jwks_uri"]
        with self._lock:
            if self._keys is None or anew:
                self._keys = KeySet.import_key_set(self._ask("GET", address))  # type: ignore[arg-type]
                self._keys_read_at = time.monotonic()
            return self._keys

    def _ask(self, method: str, address: str, **more: Any) -> dict[str, Any]:
        try:
            response = httpx.request(method, address, timeout=PATIENCE, follow_redirects=False, **more)
            said = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Unproven(f"the provider cannot be read: {error}"[:300]) from None
        if response.status_code != httpx.codes.OK or not isinstance(said, dict):
            raise Unproven(f"the provider answered {response.status_code}")
        return said


def _check_channel(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise Unproven(f"`{address[:100]}` is not reached by TLS")
