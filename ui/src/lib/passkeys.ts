/** Passkeys, by the browser's own WebAuthn with its JSON forms. */

/** Whether this browser and this address can do passkeys: they belong to a name, never to a bare address. */
export function possible(): boolean {
  if (typeof PublicKeyCredential === 'undefined') return false;
  return 'parseRequestOptionsFromJSON' in PublicKeyCredential && !/^[\d.]+$|^\[/.test(location.hostname);
}

/** Have a passkey sign what the server asks. Throws where its owner declines. */
export async function sign(question: Record<string, unknown>): Promise<Record<string, unknown>> {
  const asked = question as unknown as PublicKeyCredentialRequestOptionsJSON;
  return asJson(await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(asked) }));
}

/** Have the browser make a passkey. Throws where its owner declines. */
export async function make(wish: Record<string, unknown>): Promise<Record<string, unknown>> {
  const wanted = wish as unknown as PublicKeyCredentialCreationOptionsJSON;
  return asJson(
    await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(wanted) }),
  );
}

function asJson(made: Credential | null): Record<string, unknown> {
  if (!(made instanceof PublicKeyCredential)) throw new Error('The browser gave no passkey.');
  return made.toJSON() as unknown as Record<string, unknown>;
}
