//! Chromium opens every stored file, and embeds it in a page: nothing of it runs.

use super::corpus::{archive, docx};
use super::{app, files_of, png, send};
use crate::peers;
use crate::server::{Served, free_port};
use palisade::testing::{Client, TestSite, ran, server};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// A server that notes each request, and has one page.
struct Canary {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Canary {
    fn start(page: Arc<Mutex<String>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut line = String::new();
                let _ = BufReader::new(stream.try_clone().unwrap()).read_line(&mut line);
                let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                let body = match &*path {
                    "/page" => page.lock().unwrap().clone(),
                    _ => String::new(),
                };
                notes.lock().unwrap().push(path);
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all((head + &body).as_bytes());
            }
        });
        Self { port, asked }
    }

    fn hits(&self) -> Vec<String> {
        let mut all = self.asked.lock().unwrap().clone();
        all.retain(|path| path.starts_with("/hit"));
        all
    }
}

/// Files that run something in a careless browser: field, name, type and content.
fn hostile(port: u16) -> Vec<(&'static str, &'static str, &'static str, Vec<u8>)> {
    let hit = |name: &str| format!("http://127.0.0.1:{port}/hit-{name}");
    let html = |name: &str| {
        format!(
            "<!doctype html><title>x</title><script>new Image().src='{0}'</script><img src='{0}-img'><body onload=\"fetch('{0}-load')\">",
            hit(name)
        )
    };
    let svg = |body: &str| {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" viewBox=\"0 0 9 9\">{body}<path d=\"M0 0h9\"/></svg>"
        )
    };
    let js = |name: &str| format!("new Image().src='{}';", hit(name));
    vec![
        ("any", "a.html", "text/html", html("html").into()),
        ("any", "a.xhtml", "application/xhtml+xml", format!("<html xmlns=\"http://www.w3.org/1999/xhtml\"><script>{}</script></html>", js("xhtml")).into()),
        ("any", "a.svg", "image/svg+xml", svg(&format!("<script>{}</script>", js("any-svg"))).into()),
        ("any", "a.js", "text/javascript", js("js").into()),
        ("any", "a.css", "text/css", format!("body {{ background: url({}) }}", hit("css")).into()),
        ("any", "a.mht", "multipart/related", format!("MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n{}", html("mht")).into()),
        ("any", "a.xml", "text/xml", format!("<?xml-stylesheet type=\"text/xsl\" href=\"{}\"?><a/>", hit("xslt")).into()),
        ("any", "a", "text/html", html("no-ending").into()),
        ("drawing", "script.svg", "image/svg+xml", svg(&format!("<script>{}</script>", js("svg"))).into()),
        ("drawing", "load.svg", "image/svg+xml", svg(&format!("<g onload=\"{}\"/>", js("onload"))).into()),
        ("drawing", "animate.svg", "image/svg+xml", svg(&format!("<a><animate attributeName=\"xlink:href\" values=\"javascript:{}\"/></a>", js("animate"))).into()),
        ("drawing", "use.svg", "image/svg+xml", svg(&format!("<use xlink:href=\"{}#a\"/><image href=\"{}\"/>", hit("use"), hit("image"))).into()),
        ("drawing", "foreign.svg", "image/svg+xml", svg(&format!("<foreignObject><iframe xmlns=\"http://www.w3.org/1999/xhtml\" src=\"{}\"/></foreignObject>", hit("foreign"))).into()),
        ("drawing", "style.svg", "image/svg+xml", svg(&format!("<style>@import url({});</style>", hit("style"))).into()),
        ("plain", "a.txt", "text/plain", format!("a text\n{}", html("txt")).into()),
        ("plain", "a.csv", "text/csv", format!("a,b\n{},=cmd\n", html("csv")).into()),
        ("plain", "a.md", "text/markdown", format!("# Title\n\n{}", html("md")).into()),
        ("shot", "a.png", "image/png", [&png()[..], html("png").as_bytes()].concat()),
        ("paper", "a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", docx(&[("word/x.html", html("docx").as_bytes())])),
        ("paper", "a.odt", "application/vnd.oasis.opendocument.text", archive(&[("mimetype", b"application/vnd.oasis.opendocument.text"), ("content.xml", html("odt").as_bytes())])),
    ]
}

/// Every way in which a page loads another file.
fn page(links: &[String], port: u16) -> String {
    let embedded = links.iter().map(|link| {
        format!(
            "<iframe src=\"{link}\"></iframe><object data=\"{link}\"></object><embed src=\"{link}\"><img src=\"{link}\">\
             <script src=\"{link}\"></script><link rel=stylesheet href=\"{link}\"><video src=\"{link}\"></video>"
        )
    });
    let control = format!("<script>new Image().src='http://127.0.0.1:{port}/control'</script>");
    format!(
        "<!doctype html><title>page</title>{}{control}",
        embedded.collect::<String>()
    )
}

async fn links(ann: &mut Client, port: u16) -> Vec<String> {
    let mut links = Vec::new();
    for (field, name, media_type, content) in hostile(port) {
        let sent = send(ann, (field, name, media_type), &content).await;
        if sent.status != 303 {
            continue;
        }
        let url = files_of(ann, &sent).await.remove(0);
        links.push(ann.get(&url).await.header("location").to_owned());
    }
    links
}

// F082, F083, D35, V3.2.1, V5.4.2: no script of a stored file runs, and names are those of the site
#[tokio::test(flavor = "multi_thread")]
async fn no_stored_file_runs_in_chromium() {
    let (Some(python), Some(driver)) = (
        server("PALISADE_TEST_PEERS"),
        server("PALISADE_TEST_CHROMEDRIVER"),
    ) else {
        return;
    };
    let port = free_port();
    let (address, origin) = (
        format!("127.0.0.1:{port}"),
        format!("http://127.0.0.1:{port}"),
    );
    let settings = [
        ("server.address", &*address),
        ("uploads.origin", &origin),
        ("uploads.min_free_bytes", "1"),
        ("http.allowed_hosts", "localhost"),
        ("throttle.requests", "off"),
    ];
    let site = TestSite::start(app(), &settings).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let text = Arc::new(Mutex::new(String::new()));
    let canary = Canary::start(text.clone());
    let links = links(&mut ann, canary.port).await;
    assert!(links.len() >= 16, "{links:?}");
    *text.lock().unwrap() = page(&links, canary.port);
    let names = ["Übersicht 😀.txt", "semi;colon=.txt", "two words.txt"];
    let mut downloads = Vec::new();
    for name in names {
        let sent = send(&mut ann, ("plain", name, "text/plain"), b"hello").await;
        let url = files_of(&mut ann, &sent).await.remove(0);
        downloads.push(ann.get(&url).await.header("location").to_owned());
    }
    let served = Served::of(site).await;
    let folder = std::env::temp_dir().join(format!(
        "palisade-browser-{}",
        palisade::crypto::random::nonce()
    ));
    for part in ["downloads", "profile"] {
        std::fs::create_dir_all(folder.join(part)).unwrap();
    }
    let pages: Vec<String> = links
        .iter()
        .cloned()
        .chain([format!("http://127.0.0.1:{}/page", canary.port)])
        .collect();
    let asked = json!({
        "driver": driver, "folder": folder.join("downloads"), "profile": folder.join("profile"), "pages": pages,
        "downloads": downloads,
    });
    let input = asked.to_string();
    let found =
        tokio::task::spawn_blocking(move || peers::run(&python, "browser.py", input.as_bytes()));
    let found = found.await.unwrap();
    assert_eq!(found, json!(names));
    assert!(
        canary
            .asked
            .lock()
            .unwrap()
            .contains(&"/control".to_owned()),
        "the page itself runs"
    );
    assert_eq!(canary.hits(), Vec::<String>::new());
    served.stop().await;
    let _ = std::fs::remove_dir_all(&folder);
    ran("files in Chromium");
}
