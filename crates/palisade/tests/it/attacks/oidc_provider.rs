//! An OpenID provider on loopback, which can lie in every way.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use url::Url;

/// How it behaves. The default is honest.
#[derive(Default)]
pub struct Behaviour {
    /// Put over the claims of an honest ID token; `null` takes one out.
    pub claims: Value,
    /// Put over its header.
    pub header: Value,
    /// Put over the metadata.
    pub metadata: Value,
    /// Put over the token endpoint's answer.
    pub answer: Value,
    /// A whole ID token, in place of its own.
    pub id_token: Option<String>,
    /// Signs with a key that it does not publish.
    pub signs_with_another_key: bool,
    /// Has changed its key.
    pub has_rotated: bool,
    /// The last honest token.
    pub last: String,
    /// How often the keys were asked for.
    pub key_requests: usize,
    /// What `/userinfo`-like pages answer.
    pub user: Value,
    pub emails: Value,
    pub seconds: i64,
    pub codes: BTreeMap<String, (String, String)>,
    /// The form that the code was last exchanged with.
    pub exchange: BTreeMap<String, String>,
    /// A public key that statements of the site are signed with, in place of its secret.
    pub site_key: Option<Value>,
}

/// JSON, as an answer.
struct Json(Value);

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        ([("content-type", "application/json")], self.0.to_string()).into_response()
    }
}

pub struct Provider {
    pub issuer: String,
    state: Arc<Shared>,
}

struct Shared {
    issuer: String,
    keys: [(EncodingKey, Value); 2],
    secret_key: EncodingKey,
    behaviour: Mutex<Behaviour>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Behaviour> {
        self.behaviour.lock().unwrap()
    }
}

fn over(mut base: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().into_iter().flatten() {
        if value.is_null() {
            base.as_object_mut().unwrap().shift_remove(name);
        } else {
            base[name] = value.clone();
        }
    }
    base
}

fn key(kid: &str) -> (EncodingKey, Value) {
    let pair = rcgen::KeyPair::generate().unwrap();
    let key = EncodingKey::from_ec_der(pair.serialized_der());
    let mut jwk =
        serde_json::to_value(Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap()).unwrap();
    jwk["kid"] = kid.into();
    jwk["use"] = "sig".into();
    (key, jwk)
}

impl Provider {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let secret_key = key("k1").0;
        let state = Arc::new(Shared {
            issuer: issuer.clone(),
            keys: [key("k1"), key("k2")],
            secret_key,
            behaviour: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/jwks", get(keys))
            .route("/token", post(token))
            .route("/login/oauth/access_token", post(token))
            .route("/v21.0/oauth/access_token", post(token))
            .route(
                "/v21.0/me",
                get(async |State(state): State<Arc<Shared>>| Json(state.lock().user.clone())),
            )
            .route("/2/oauth2/token", post(token))
            .route(
                "/2/users/me",
                get(async |State(state): State<Arc<Shared>>| Json(state.lock().user.clone())),
            )
            .route(
                "/api/v3/user",
                get(async |State(state): State<Arc<Shared>>| Json(state.lock().user.clone())),
            )
            .route(
                "/api/v3/user/emails",
                get(async |State(state): State<Arc<Shared>>| Json(state.lock().emails.clone())),
            )
            .with_state(state.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { issuer, state }
    }

    pub fn behaviour(&self) -> MutexGuard<'_, Behaviour> {
        self.state.lock()
    }

    /// An access token of this provider's for the site, honest but for what is put over it.
    pub fn access_token(&self, header: &Value, claims: &Value) -> String {
        let now = self.behaviour().seconds;
        let honest = json!({
            "iss": self.issuer, "sub": "ann-0815", "aud": "https://localhost", "exp": now + 300, "iat": now,
            "client_id": "robot", "scope": "tickets.read tickets.write",
        });
        let header: Header = serde_json::from_value(over(
            json!({ "alg": "ES256", "typ": "at+jwt", "kid": "k1" }),
            header,
        ))
        .unwrap();
        let key = if self.behaviour().signs_with_another_key {
            &self.state.secret_key
        } else {
            &self.state.keys[0].0
        };
        match header.alg {
            Algorithm::HS256 => encode(
                &header,
                &over(honest, claims),
                &EncodingKey::from_secret(b"secret"),
            )
            .unwrap(),
            _ => encode(&header, &over(honest, claims), key).unwrap(),
        }
    }

    /// What a browser would do there that says yes: the code, for what stands in the address.
    pub fn allow(&self, to: &Url) -> (String, String) {
        let asked: BTreeMap<String, String> = to.query_pairs().into_owned().collect();
        assert_eq!(
            (
                asked["response_type"].as_str(),
                asked["code_challenge_method"].as_str()
            ),
            ("code", "S256")
        );
        let code = palisade::crypto::random::alphanumeric(20)
            .expose()
            .to_owned();
        let nonce = asked.get("nonce").cloned().unwrap_or_default();
        self.behaviour()
            .codes
            .insert(code.clone(), (nonce, asked["code_challenge"].clone()));
        (code, asked["state"].clone())
    }
}

/// Whether a statement was signed with this key ([RFC 7523](https://www.rfc-editor.org/rfc/rfc7523)).
fn is_signed(statement: &str, key: &Value) -> bool {
    let key = DecodingKey::from_jwk(&serde_json::from_value(key.clone()).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.validate_aud = false;
    decode::<Value>(statement, &key, &validation).is_ok()
}

async fn metadata(State(state): State<Arc<Shared>>) -> Json {
    let issuer = &state.issuer;
    let honest = json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"), "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"), "end_session_endpoint": format!("{issuer}/logout"),
        "authorization_response_iss_parameter_supported": true,
    });
    Json(over(honest, &state.lock().metadata))
}

async fn keys(State(state): State<Arc<Shared>>) -> Json {
    let mut behaviour = state.lock();
    behaviour.key_requests += 1;
    // a secret among the keys must not be taken for one of them
    let secret = json!({ "kty": "oct", "kid": "k3", "k": URL_SAFE_NO_PAD.encode("secret") });
    Json(json!({ "keys": [state.keys[usize::from(behaviour.has_rotated)].1, secret] }))
}

async fn token(State(state): State<Arc<Shared>>, headers: HeaderMap, body: String) -> Response {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect();
    let mut behaviour = state.lock();
    let refused =
        |word: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": word }))).into_response();
    let basic = format!("Basic {}", STANDARD.encode("desk:secret"));
    behaviour.exchange.clone_from(&form);
    let states = behaviour
        .site_key
        .as_ref()
        .is_some_and(|key| is_signed(&form["client_secret"], key));
    let is_client = states
        || headers
            .get("authorization")
            .is_some_and(|value| value.to_str().unwrap() == basic)
        || form
            .get("client_secret")
            .is_some_and(|secret| secret == "secret");
    if !is_client {
        return refused("invalid_client");
    }
    let Some((nonce, challenge)) = behaviour.codes.remove(form["code"].as_str()) else {
        return refused("invalid_grant");
    };
    let digest =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, form["code_verifier"].as_bytes());
    if URL_SAFE_NO_PAD.encode(digest) != challenge {
        return refused("invalid_grant");
    }
    let now = behaviour.seconds;
    let at_hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"at");
    let honest = json!({
        "iss": state.issuer, "sub": "ann-0815", "aud": "desk", "exp": now + 300, "iat": now, "nonce": nonce,
        "at_hash": URL_SAFE_NO_PAD.encode(&at_hash.as_ref()[..16]),
        "email": "ann@example.org", "email_verified": true, "preferred_username": "ann",
    });
    let claims = over(honest, &behaviour.claims);
    let place = usize::from(behaviour.has_rotated);
    let kid = ["k1", "k2"][place];
    let header = json!({ "alg": "ES256", "typ": "JWT", "kid": kid });
    let header: Header = serde_json::from_value(over(header, &behaviour.header)).unwrap();
    let key = if behaviour.signs_with_another_key {
        &state.secret_key
    } else {
        &state.keys[place].0
    };
    let signed = match header.alg {
        Algorithm::HS256 => encode(&header, &claims, &EncodingKey::from_secret(b"secret")).unwrap(),
        _ => encode(&header, &claims, key).unwrap(),
    };
    let id_token = behaviour.id_token.clone().unwrap_or(signed);
    behaviour.last.clone_from(&id_token);
    let answer = json!({ "access_token": "at", "token_type": "Bearer", "expires_in": 300, "refresh_token": "rt-4711", "id_token": id_token });
    Json(over(answer, &behaviour.answer)).into_response()
}
