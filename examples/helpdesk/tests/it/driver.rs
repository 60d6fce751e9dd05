//! A real browser, headless Chromium, through its WebDriver ([W3C](https://www.w3.org/TR/webdriver2/)).

use crate::process::Folder;
use crate::wire::command;
use base64::Engine;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A browser of its own profile.
pub struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    site: String,
    _profile: Folder,
}

impl Browser {
    pub fn start(driver: &str, site: SocketAddr) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = Command::new(driver);
        // with the browser in a group, so that a failed test leaves none
        let driver = std::os::unix::process::CommandExt::process_group(&mut command, 0)
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..100 {
            if std::net::TcpStream::connect(address).is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let profile = Folder::new();
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost",
            "--window-size=1100,800",
            &format!("--user-data-dir={}", profile.0.display()),
        ]
        .map(str::to_owned);
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments }, "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "pageLoad": 120_000, "script": 120_000 },
        } } });
        let mut browser = Self {
            driver,
            address,
            session: String::new(),
            site: format!("http://localhost:{}", site.port()),
            _profile: profile,
        };
        browser.session = browser.call("POST", "/session", &wanted)["sessionId"]
            .as_str()
            .unwrap()
            .to_owned();
        browser
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if method == "GET" {
            String::new()
        } else {
            body.to_string()
        };
        let reply = command(self.address, method, path, &body);
        let mut answer: Value = serde_json::from_str(&reply.body)
            .unwrap_or_else(|error| panic!("{path}: {error}: {}", reply.body));
        assert_eq!(reply.status, 200, "{path}: {answer}");
        answer["value"].take()
    }

    fn session(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call(method, &format!("/session/{}{path}", self.session), body)
    }

    pub fn open(&self, path: &str) {
        self.session(
            "POST",
            "/url",
            &json!({ "url": format!("{}{path}", self.site) }),
        );
    }

    pub fn path(&self) -> String {
        self.session("GET", "/url", &Value::Null)
            .as_str()
            .unwrap()
            .replace(&self.site, "")
    }

    pub fn find(&self, selector: &str) -> String {
        let found = self.session(
            "POST",
            "/element",
            &json!({ "using": "css selector", "value": selector }),
        );
        found
            .as_object()
            .unwrap()
            .values()
            .next()
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub fn type_into(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.session("POST", &format!("/element/{element}/clear"), &json!({}));
        self.session(
            "POST",
            &format!("/element/{element}/value"),
            &json!({ "text": text }),
        );
    }

    /// Chooses a file in a field of files.
    pub fn choose(&self, selector: &str, file: &Path) {
        let element = self.find(selector);
        self.session(
            "POST",
            &format!("/element/{element}/value"),
            &json!({ "text": file.to_str().unwrap() }),
        );
    }

    /// Clicks what leads to another page, and waits until that page is there.
    pub fn click(&self, selector: &str) {
        self.eval("window.old = 1");
        let element = self.find(selector);
        self.session("POST", &format!("/element/{element}/click"), &json!({}));
        for _ in 0..200 {
            if self.eval("window.old === undefined && document.readyState === 'complete'") == true {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        panic!("{selector} leads nowhere");
    }

    /// Runs in the page by the driver, which no policy of the page concerns.
    pub fn eval(&self, script: &str) -> Value {
        self.session(
            "POST",
            "/execute/sync",
            &json!({ "script": format!("return {script}"), "args": [] }),
        )
    }

    pub fn picture(&self, name: &str) -> std::path::PathBuf {
        let picture = self.session("GET", "/screenshot", &Value::Null);
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(picture.as_str().unwrap())
            .unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{name}.png"));
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Plugs in an authenticator with a PIN, which the driver plays ([WebAuthn, section 11](https://www.w3.org/TR/webauthn-3/#sctn-automation)).
    pub fn plug_in_authenticator(&self) -> String {
        let wanted = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true, "isUserVerified": true,
        });
        self.session("POST", "/webauthn/authenticator", &wanted)
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Whether its user proves who they are from now on.
    pub fn verify_user(&self, authenticator: &str, is_verified: bool) {
        self.session(
            "POST",
            &format!("/webauthn/authenticator/{authenticator}/uv"),
            &json!({ "isUserVerified": is_verified }),
        );
    }

    /// Clicks a button whose script answers on the same page, and waits for what it says.
    pub fn press(&self, selector: &str, says: &str) {
        let element = self.find(selector);
        self.session("POST", &format!("/element/{element}/click"), &json!({}));
        for _ in 0..400 {
            if self
                .eval("document.body.innerText")
                .as_str()
                .unwrap()
                .contains(says)
            {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        panic!(
            "{selector} does not make the page say {says}: {}",
            self.eval("document.body.innerText")
        );
    }

    /// What the console said since the last question.
    pub fn console(&self) -> Vec<String> {
        let entries = self.session("POST", "/se/log", &json!({ "type": "browser" }));
        entries
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["message"].as_str().unwrap().to_owned())
            .collect()
    }

    pub fn wide(&self, pixels: u32) {
        let metrics = json!({ "width": pixels, "height": 800, "deviceScaleFactor": 1, "mobile": pixels < 500 });
        self.session(
            "POST",
            "/goog/cdp/execute",
            &json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": metrics }),
        );
    }

    pub fn dark(&self, scheme: &str) {
        let wanted = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "features": [{ "name": "prefers-color-scheme", "value": scheme }] } });
        self.session("POST", "/goog/cdp/execute", &wanted);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.session("DELETE", "", &json!({}));
        }
        let group = format!("-{}", self.driver.id());
        let _ = Command::new("kill").args(["-9", "--", &group]).status();
        let _ = self.driver.wait();
    }
}
