// An OpenID provider on loopback: node provider.mjs PORT REDIRECT_URI LOGOUT_URI. Whoever types NAME at its login is NAME, with the verified address
// NAME@example.org. Its keys are made anew at each start.
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const [port, redirect, logout] = process.argv.slice(2);
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const provider = new Provider(`http://localhost:${port}`, {
  clients: [{
    client_id: "desk",
    client_secret: "a-secret-of-the-desk",
    redirect_uris: [redirect],
    post_logout_redirect_uris: [logout],
  }],
  claims: { email: ["email", "email_verified"], profile: ["preferred_username"] },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  cookies: { keys: ["for tests on loopback"] },
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid: "one", use: "sig", alg: "RS256" }] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.org`, email_verified: true, preferred_username: id }),
  }),
});
provider.listen(Number(port), "localhost", () => console.log("ready"));
