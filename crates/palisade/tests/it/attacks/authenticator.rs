//! An authenticator in software, which can also lie: what it answers is built here byte by byte ([WebAuthn, section 6](https://www.w3.org/TR/webauthn-3/)).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub struct Authenticator {
    pub key: EcdsaKeyPair,
    pub id: Vec<u8>,
    pub host: &'static str,
    pub origin: &'static str,
    pub counter: u32,
    /// Whether it has verified its user.
    pub verifies: bool,
    /// Whether its passkeys are synchronised.
    pub synchronises: bool,
    pub handle: String,
}

const PRESENT: u8 = 1;
const VERIFIED: u8 = 4;
const BACKUP: u8 = 8 + 16;
const NEW: u8 = 64;

pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What the page asks the browser.
pub fn options(page: &str) -> Value {
    let text = page
        .split_once("data-options=\"")
        .and_then(|(_, rest)| rest.split('"').next())
        .expect("a page that asks");
    let text = text
        .replace("&#34;", "\"")
        .replace("&quot;", "\"")
        .replace("&#x2f;", "/")
        .replace("&amp;", "&");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

impl Authenticator {
    pub fn new() -> Self {
        Self {
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            id: palisade::crypto::random::bytes::<32>().to_vec(),
            host: "localhost",
            origin: "http://localhost",
            counter: 1,
            verifies: true,
            synchronises: false,
            handle: String::new(),
        }
    }

    fn data(&self, more: u8, tail: &[u8]) -> Vec<u8> {
        let flags = PRESENT
            | more
            | if self.verifies { VERIFIED } else { 0 }
            | if self.synchronises { BACKUP } else { 0 };
        [
            digest(&SHA256, self.host.as_bytes()).as_ref(),
            &[flags],
            &self.counter.to_be_bytes(),
            tail,
        ]
        .concat()
    }

    fn client_data(&self, what: &str, options: &Value) -> Vec<u8> {
        let client = json!({ "type": what, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false });
        client.to_string().into_bytes()
    }

    /// Makes a passkey, and answers as the page's script sends it.
    pub fn create(&mut self, options: &Value) -> String {
        self.handle = options["user"]["id"].as_str().unwrap().to_owned();
        let point = self.key.public_key().as_ref();
        let cose = [
            &[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 0x20],
            &point[1..33],
            &[0x22, 0x58, 0x20],
            &point[33..],
        ]
        .concat();
        let length = u16::try_from(self.id.len()).unwrap().to_be_bytes();
        let data = self.data(NEW, &[&[0; 16], &length[..], &self.id, &cose].concat());
        let size = u8::try_from(data.len()).unwrap();
        let object = [
            b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58",
            &[size][..],
            &data,
        ]
        .concat();
        let client = base64(self.client_data("webauthn.create", options));
        let response = json!({ "attestationObject": base64(object), "clientDataJSON": client });
        base64(json!({ "id": base64(&self.id), "rawId": base64(&self.id), "type": "public-key", "response": response }).to_string())
    }

    /// Proves that it is there.
    pub fn get(&mut self, options: &Value) -> String {
        self.counter += 1;
        let (data, client) = (self.data(0, &[]), self.client_data("webauthn.get", options));
        let signed = [&data[..], digest(&SHA256, &client).as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        let response = json!({
            "authenticatorData": base64(data), "clientDataJSON": base64(client), "signature": base64(signature), "userHandle": self.handle,
        });
        base64(json!({ "id": base64(&self.id), "rawId": base64(&self.id), "type": "public-key", "response": response }).to_string())
    }
}
