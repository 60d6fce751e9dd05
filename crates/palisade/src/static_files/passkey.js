// Asks the browser for an authenticator, and sends what it answers as an ordinary form: JSON in base64url.
"use strict";
(() => {
  const form = document.getElementById("passkey");
  const said = document.getElementById("passkey_said");
  const button = form.querySelector("button");
  const options = JSON.parse(form.dataset.options);

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => {
    const binary = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
    return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };
  const known = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

  const ask = () => {
    const publicKey = { ...options, challenge: bytes(options.challenge) };
    if (form.dataset.ask === "create") {
      publicKey.user = { ...options.user, id: bytes(options.user.id) };
      publicKey.excludeCredentials = known(options.excludeCredentials);
      return navigator.credentials.create({ publicKey });
    }
    publicKey.allowCredentials = known(options.allowCredentials);
    return navigator.credentials.get({ publicKey });
  };

  const plain = (credential) => {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      const value = credential.response[name];
      if (value) response[name] = text(value);
    }
    if (credential.response.getTransports) response.transports = credential.response.getTransports();
    const results = credential.getClientExtensionResults();
    const extensions = results.credProps ? { credProps: results.credProps } : {};
    return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response, extensions };
  };

  form.addEventListener("submit", async (event) => {
    if (form.elements.credential.value) return;
    event.preventDefault();
    if (!window.PublicKeyCredential) {
      said.textContent = "This browser does not support passkeys.";
      return;
    }
    button.disabled = true;
    said.textContent = "Waiting for your passkey…";
    try {
      const json = JSON.stringify(plain(await ask()));
      form.elements.credential.value = text(new TextEncoder().encode(json));
      form.requestSubmit();
    } catch (error) {
      said.textContent = error.name === "InvalidStateError"
        ? "This passkey exists already."
        : "No passkey responded. Try again, or choose another login method.";
    } finally {
      button.disabled = false;
    }
  });
})();
