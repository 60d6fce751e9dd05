//! Files: a hundred uploads of 5 MB at once beside the pages of other users, the time to encode pictures
//! again and to scan, and a backup and restore of a gigabyte.

use crate::load::{self, Measured, Visit, median};
use crate::pages::{Served, palisade};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const AT_ONCE: usize = 100;

pub async fn measure() {
    let folder = std::env::temp_dir().join(format!(
        "palisade-bench-{}",
        palisade::crypto::random::nonce()
    ));
    std::fs::create_dir_all(&folder).unwrap();
    let (mut served, key) = palisade(&folder).await;
    let noise = picture(1280, 1280);
    println!("files: one picture at a time, median of 5");
    for (name, content) in [
        ("5 MB, 1.6 megapixels of noise", &noise),
        ("12 megapixels", &gradient(4000, 3000)),
    ] {
        let times = (0..5)
            .map(|_| upload(&served, content).as_secs_f64())
            .collect();
        println!(
            "{name:<34}{:>8.2} MB{:>10.0} ms",
            megabytes(content.len() as u64),
            median(times) * 1e3
        );
    }
    uploads_at_once(&served, &noise);
    load::stop(&mut served.child);
    scans(&folder);
    backups(&folder, &key);
    std::fs::remove_dir_all(folder).unwrap();
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn encoded(pixels: image::RgbImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    pixels
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

/// Noise, which no encoder makes smaller.
fn picture(width: u32, height: u32) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    encoded(image::RgbImage::from_fn(width, height, |_, _| {
        image::Rgb([next(), next(), next()])
    }))
}

fn gradient(width: u32, height: u32) -> Vec<u8> {
    encoded(image::RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x / 16) as u8, (y / 12) as u8, ((x + y) / 28) as u8])
    }))
}

/// Sends a ticket with a screenshot, and returns the time to its answer.
fn upload(served: &Served, content: &[u8]) -> Duration {
    let mut body = Vec::new();
    for (name, value) in [
        ("csrfmiddlewaretoken", served.token.as_str()),
        ("subject", "A picture"),
        ("body", "What happened, in a line or two."),
    ] {
        write!(
            body,
            "--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        )
        .unwrap();
    }
    body.extend_from_slice(b"--b\r\nContent-Disposition: form-data; name=\"screenshot\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n");
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n--b--\r\n");
    let begun = Instant::now();
    let mut stream = TcpStream::connect(("127.0.0.1", served.port)).unwrap();
    write!(
        stream,
        "POST /tickets HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Proto: https\r\nOrigin: https://{host}\r\nCookie: {}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        served.cookie,
        body.len(),
        host = crate::HOST
    )
    .unwrap();
    stream.write_all(&body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let head = String::from_utf8_lossy(&answer[..answer.len().min(200)]).into_owned();
    assert!(head.contains(" 303 "), "{head}");
    begun.elapsed()
}

fn page(served: &Served) -> Measured {
    load::measured(&Visit {
        port: served.port,
        path: "/tickets",
        cookie: Some(&served.cookie),
        token: None,
    })
}

fn uploads_at_once(served: &Served, content: &[u8]) {
    let at_rest = Measured::median((0..3).map(|_| page(served)).collect());
    let before = load::memory_mb(served.child.id());
    let is_over = AtomicBool::new(false);
    let (mut rounds, mut most) = (Vec::new(), 0_f64);
    let begun = Instant::now();
    let times = std::thread::scope(|scope| {
        let memory = scope.spawn(|| {
            let mut most = 0_f64;
            while !is_over.load(Ordering::Relaxed) {
                most = most.max(load::memory_mb(served.child.id()));
                std::thread::sleep(Duration::from_millis(50));
            }
            most
        });
        let uploads: Vec<_> = (0..AT_ONCE)
            .map(|_| scope.spawn(|| upload(served, content)))
            .collect();
        while uploads.iter().any(|upload| !upload.is_finished()) {
            rounds.push(page(served));
        }
        is_over.store(true, Ordering::Relaxed);
        most = memory.join().unwrap();
        uploads
            .into_iter()
            .map(|upload| upload.join().unwrap().as_secs_f64())
            .collect::<Vec<_>>()
    });
    let seconds = times.iter().copied().fold(0.0, f64::max);
    let during = Measured::median(rounds);
    println!(
        "\n{AT_ONCE} uploads of {:.1} MB at once",
        megabytes(content.len() as u64)
    );
    println!(
        "all are stored after {seconds:.1} s; {:.1} s with the last round of pages",
        begun.elapsed().as_secs_f64()
    );
    println!("memory {before:.0} MB before, at most {most:.0} MB");
    println!(
        "a page of 20 rows: {:.0} a second, p99 {:.1} ms; meanwhile {:.0} a second, p99 {:.1} ms; ratio of p99 {:.2}",
        at_rest.a_second,
        at_rest.slowest_ms,
        during.a_second,
        during.slowest_ms,
        during.slowest_ms / at_rest.slowest_ms
    );
}

/// 5 MB through clamd, where it is installed, with one hand-made signature.
fn scans(folder: &Path) {
    let Some(clamd) = std::env::var_os("PALISADE_TEST_CLAMD") else {
        println!("\nscans are not measured: PALISADE_TEST_CLAMD is not set");
        return;
    };
    let signatures = folder.join("signatures");
    std::fs::create_dir(&signatures).unwrap();
    std::fs::write(
        signatures.join("bench.ndb"),
        "Bench.Eicar:0:*:45494341522d5354414e444152442d414e544956495255532d544553542d46494c4521\n",
    )
    .unwrap();
    let socket = folder.join("clamd.ctl");
    let config = folder.join("clamd.conf");
    std::fs::write(&config, format!("Foreground yes\nLocalSocket {}\nDatabaseDirectory {}\nStreamMaxLength 100M\nMaxFileSize 100M\n", socket.display(), signatures.display())).unwrap();
    let mut child = Command::new(clamd)
        .arg("-c")
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while UnixStream::connect(&socket).is_err() {
        std::thread::sleep(Duration::from_millis(100));
    }
    let content = picture(1280, 1280);
    let scan = || {
        let begun = Instant::now();
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(b"zINSTREAM\0").unwrap();
        for piece in content.chunks(64 * 1024) {
            stream
                .write_all(&(piece.len() as u32).to_be_bytes())
                .unwrap();
            stream.write_all(piece).unwrap();
        }
        stream.write_all(&[0; 4]).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "stream: OK\0");
        begun.elapsed().as_secs_f64()
    };
    let times = (0..9).map(|_| scan()).collect();
    println!(
        "\na scan of {:.1} MB: {:.0} ms, median of 9, one signature",
        megabytes(content.len() as u64),
        median(times) * 1e3
    );
    let _ = child.kill();
    let _ = child.wait();
}

/// Adds rows up to a gigabyte with the files, and moves all of it away and back.
fn backups(folder: &Path, key: &str) {
    let Some(age) = std::env::var_os("PALISADE_TEST_AGE") else {
        println!("\nbackups are not measured: PALISADE_TEST_AGE is not set");
        return;
    };
    let files = size(&folder.join("files"));
    let rows = (1_000_000_000_u64.saturating_sub(files)) / 10_000;
    let columns = output(
        Command::new("sqlite3")
            .arg(folder.join("helpdesk.sqlite3"))
            .arg("SELECT group_concat(name) FROM pragma_table_info('helpdesk_ticket')"),
    );
    let names: Vec<&str> = columns.trim().split(',').collect();
    let values: Vec<&str> = names
        .iter()
        .map(|name| match *name {
            "id" => "100000 + i",
            "body" => "hex(randomblob(5000))",
            name => name,
        })
        .collect();
    let fill = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
         INSERT INTO helpdesk_ticket ({}) SELECT {} FROM n, (SELECT * FROM helpdesk_ticket LIMIT 1)",
        names.join(","),
        values.join(",")
    );
    output(
        Command::new("sqlite3")
            .arg(folder.join("helpdesk.sqlite3"))
            .arg(fill),
    );
    let made = Command::new(Path::new(&age).with_file_name("age-keygen"))
        .args(["-o", "key.txt"])
        .current_dir(folder)
        .output()
        .unwrap();
    let recipient = String::from_utf8(made.stderr).unwrap();
    let recipient = recipient.trim().rsplit(' ').next().unwrap().to_owned();
    let place = folder.join("backups");
    std::fs::create_dir(&place).unwrap();
    let run = |data: &Path, arguments: &[&str]| {
        let program = std::env::current_exe().unwrap().with_file_name("helpdesk");
        let mut command = Command::new(program);
        command.arg("--data").arg(data).args(arguments).env_clear();
        command
            .env("PALISADE_PROFILE", "production")
            .env("SECRET_KEY", key);
        command
            .env("PALISADE_HTTP__ALLOWED_HOSTS", crate::HOST)
            .env("PALISADE_HTTP__TRUSTED_PROXIES", "127.0.0.1/32");
        command
            .env("PALISADE_BACKUP__TO", format!("file:{}", place.display()))
            .env("PALISADE_BACKUP__RECIPIENTS", &recipient);
        let begun = Instant::now();
        output(&mut command);
        begun.elapsed().as_secs_f64()
    };
    let database = std::fs::metadata(folder.join("helpdesk.sqlite3"))
        .unwrap()
        .len();
    println!(
        "\na site with {:.0} MB of rows and {:.0} MB of files",
        megabytes(database),
        megabytes(files)
    );
    let key_file = folder.join("key.txt").display().to_string();
    let elsewhere: PathBuf = folder.join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    println!("backup {:.1} s", run(folder, &["backup"]));
    println!(
        "backup verify {:.1} s",
        run(
            folder,
            &["backup", "verify", "newest", "--identity", &key_file]
        )
    );
    println!(
        "restore {:.1} s",
        run(&elsewhere, &["restore", "newest", "--identity", &key_file])
    );
    println!("the archive has {:.0} MB", megabytes(size(&place)));
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Bytes of all files below a folder.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |path: PathBuf| match path.is_dir() {
        true => size(&path),
        false => path.metadata().map_or(0, |file| file.len()),
    };
    entries.map(|entry| of(entry.path())).sum()
}
