//! `docs/api.md`: its program serves, and its commands work.

#[path = "../../../examples/notes_api.rs"]
#[expect(dead_code, reason = "its main function is that of the example")]
mod notes_api;

use crate::architecture::root;
use crate::program::Program;
use crate::server::free_port;
use palisade::auth::Rank;
use palisade::testing::TestSite;
use serde_json::Value;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn guide() -> String {
    std::fs::read_to_string(root().join("docs/api.md")).unwrap()
}

#[test]
fn the_program_of_the_guide_is_the_example() {
    let guide = guide();
    let shown = guide.split("```rust,no_run\n").nth(1).unwrap();
    let shown = shown.split("```").next().unwrap();
    let example = root().join("crates/palisade/examples/notes_api.rs");
    let example = std::fs::read_to_string(example).unwrap();
    assert_eq!(example.split_once("\n\n").unwrap().1, shown);
}

fn shell(line: &str, token: &str, port: u16) -> String {
    let line = line.replace("localhost:8000", &format!("127.0.0.1:{port}"));
    let line = line.replacen("curl", "curl -s -H 'Host: localhost'", 1);
    let output = Command::new("sh")
        .args(["-c", &line])
        .env("TOKEN", token)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_commands_of_the_guide_work() {
    let site = TestSite::start(notes_api::app(), &[]).await;
    let mut ann = site.sign_in("ann", Rank::Plain).await;
    let token = ann.make_token(&["notes.read", "notes.write"]).await;
    let database = site.site().settings().database.url.to_string();
    let program = Program::named("notes_api", (&database, site.folder()));
    let port = free_port();
    let child = program
        .command(&["serve"])
        .env("PALISADE_SERVER__ADDRESS", format!("127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _server = Server(child.unwrap());
    let begun = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it starts");
        std::thread::sleep(Duration::from_millis(50));
    }
    let guide = guide().replace("\\\n", " ");
    let lines: Vec<_> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("$ curl"))
        .collect();
    assert_eq!(lines.len(), 4);
    let answers = lines.iter().map(|line| {
        let text = shell(&format!("curl{line}"), &token, port);
        serde_json::from_str::<Value>(&text).unwrap_or_else(|_| panic!("{line}: {text}"))
    });
    let answers: Vec<Value> = answers.collect();
    assert_eq!(answers[0]["items"], serde_json::json!([]));
    assert_eq!(answers[1]["title"], "Order paper");
    assert_eq!(answers[2]["items"][0]["id"], answers[1]["id"]);
    assert_eq!(answers[3]["is_done"], true);
    // the document is compared with a committed one
    let document = program.run(&["openapi"]);
    let file = site.folder().join("api.json");
    std::fs::write(&file, &document).unwrap();
    assert_eq!(
        program.run(&["openapi", "--check", "api.json"]),
        "no changes\n"
    );
    let mut before: Value = serde_json::from_str(&document).unwrap();
    let list = &mut before["paths"]["/api/notes"]["get"]["parameters"];
    list.as_array_mut()
        .unwrap()
        .push(serde_json::json!({"name": "color", "in": "query"}));
    before["components"]["schemas"]["Note"]["properties"]["age"] =
        serde_json::json!({"type": "integer"});
    before["paths"]["/api/notes"]["put"] = before["paths"]["/api/notes"]["get"].clone();
    std::fs::write(&file, before.to_string()).unwrap();
    let refused = program.refused(&["openapi", "--check", "api.json"]);
    for said in [
        "breaking: GET /api/notes: the parameter color was removed",
        "breaking: PUT /api/notes was removed",
        "/age was removed",
    ] {
        assert!(refused.contains(said), "{said}: {refused}");
    }
    assert!(
        program
            .refused(&["openapi", "--check", "none.json"])
            .contains("none.json")
    );
}
