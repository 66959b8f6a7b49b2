// A certified OpenID provider (npm `oidc-provider`) on loopback: `node provider.js PORT CALLBACK`.
import Provider from 'oidc-provider';

const [port, callback] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'twokey',
      client_secret: 'a secret of this test',
      redirect_uris: [callback],
      response_types: ['code'],
      grant_types: ['authorization_code'],
    },
  ],
  pkce: { required: () => true },
  claims: { openid: ['sub'], profile: ['name', 'preferred_username'] },
  conformIdTokenClaims: false,
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: `${id} of the provider`, preferred_username: id }),
  }),
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
