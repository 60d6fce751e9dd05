//! The servers that stand in front, running, with the configurations that `deploy` prints.

use crate::perimeter::{certificate, deployed, free_address};
use crate::process::{Folder, Server, run};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// A program that runs until the end of the test.
struct Front {
    child: Child,
    port: u16,
}

impl Front {
    fn start(command: &mut Command, port: u16) -> Self {
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let front = Self { child, port };
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return front;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{command:?} does not listen");
    }

    /// Asks as a browser does that was told to find `https://localhost` here, with what a client may invent.
    fn curl(&self, folder: &Folder, arguments: &[&str]) -> Output {
        let to = format!("localhost:443:127.0.0.1:{}", self.port);
        let mut curl = Command::new("curl");
        curl.args([
            "-sS",
            "--max-time",
            "20",
            "-w",
            "\nstatus %{http_code}",
            "-H",
            "X-Forwarded-For: 203.0.113.9",
            "--connect-to",
            &to,
        ]);
        for (option, file) in [
            ("--cacert", "root.pem"),
            ("-c", "cookies"),
            ("-b", "cookies"),
        ] {
            curl.arg(option).arg(folder.0.join(file));
        }
        curl.args(arguments).output().unwrap()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // a master process ends its workers
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }
}

fn nginx(folder: &Folder, config: &str, program: &str) -> Front {
    let (port, plain) = (free_address().port(), free_address().port());
    let config = config
        .lines()
        .filter(|line| !line.contains("listen [::]"))
        .collect::<Vec<_>>()
        .join("\n");
    let config = config
        .replace("listen 443", &format!("listen 127.0.0.1:{port}"))
        .replace("listen 80", &format!("listen 127.0.0.1:{plain}"));
    let folder_of = folder.0.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {folder_of}/nginx-{name};\n"))
        .concat();
    let whole = format!(
        "pid {folder_of}/nginx.pid;\nerror_log stderr;\ndaemon off;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{config}\n}}\n"
    );
    std::fs::write(folder.0.join("nginx.conf"), whole).unwrap();
    Front::start(
        Command::new(program)
            .arg("-c")
            .arg(folder.0.join("nginx.conf")),
        port,
    )
}

fn apache(folder: &Folder, config: &str) -> Front {
    let (port, plain) = (free_address().port(), free_address().port());
    let config = config.replace("/run/apache2/", &format!("{}/", folder.0.display()));
    let config = config
        .replace("*:443", &format!("127.0.0.1:{port}"))
        .replace("*:80", &format!("127.0.0.1:{plain}"));
    let modules = [
        "mpm_event",
        "authz_core",
        "ssl",
        "socache_shmcb",
        "http2",
        "proxy",
        "proxy_http",
        "headers",
        "reqtimeout",
        "alias",
    ];
    let loads = modules
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .concat();
    let head = format!(
        "ServerRoot {0}\nPidFile {0}/apache.pid\nErrorLog /dev/null\nDefaultRuntimeDir {0}\nUser nobody\nGroup nogroup\n\
         Listen 127.0.0.1:{port}\nListen 127.0.0.1:{plain}\n{loads}",
        folder.0.display()
    );
    std::fs::write(folder.0.join("apache.conf"), format!("{head}{config}")).unwrap();
    Front::start(
        Command::new("apache2")
            .args(["-DFOREGROUND", "-f"])
            .arg(folder.0.join("apache.conf")),
        port,
    )
}

fn caddy(folder: &Folder, config: &str) -> Front {
    let (port, plain) = (free_address().port(), free_address().port());
    let globals =
        format!("{{\n\thttp_port {plain}\n\thttps_port {port}\n\tadmin off\n\tservers {{");
    let config = config.replacen("{\n\tservers {", &globals, 1);
    let path = |name: &str| folder.0.join(name).display().to_string();
    let own = format!(
        "*.desk.example.org {{\n\tbind 127.0.0.1\n\ttls {} {}\n",
        path("cert.pem"),
        path("key.pem")
    );
    let config = config.replacen("*.desk.example.org {\n", &own, 1);
    std::fs::write(path("Caddyfile"), config).unwrap();
    let mut command = Command::new("caddy");
    command
        .args([
            "run",
            "--adapter",
            "caddyfile",
            "--config",
            &path("Caddyfile"),
        ])
        .env("XDG_DATA_HOME", path("caddy"))
        .env("HOME", path("caddy"));
    Front::start(&mut command, port)
}

/// As an operator lets the proxy's user in.
fn let_in(folder: &Path, socket: &Path) {
    for (path, mode) in [(folder, 0o755), (socket, 0o666)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A page, and a form whose origin is checked; the log says where the client was.
fn serves(folder: &Folder, front: &Front, name: &str) {
    let page = text(&front.curl(folder, &["https://localhost/account/login"]));
    assert!(page.contains("status 200"), "{name}: {page}");
    let token = page
        .split("name=\"csrfmiddlewaretoken\" value=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap();
    let fields = format!("username={name}&password=wrong&csrfmiddlewaretoken={token}");
    let form = [
        "-H",
        "Origin: https://localhost",
        "-d",
        &fields,
        "https://localhost/account/login",
    ];
    let refused = text(&front.curl(folder, &form));
    assert!(
        refused.contains("status 422") && refused.contains("do not belong together"),
        "{name}: {refused}"
    );
}

// F002; M11 of the reports: nginx, Apache and Caddy serve the site over TCP and over a Unix socket, and no client chooses its address
#[test]
fn the_servers_that_stand_in_front_serve() {
    let Some(program) = palisade::testing::server("PALISADE_TEST_NGINX") else {
        return;
    };
    for is_socket in [false, true] {
        let folder = Folder::new();
        certificate(&folder);
        let socket = folder.0.join("site.sock");
        let (address, trusted) = match is_socket {
            true => (format!("unix:{}", socket.display()), ""),
            false => (free_address().to_string(), "127.0.0.1"),
        };
        let settings = [
            ("PALISADE_PROFILE", "production"),
            ("PALISADE_HTTP__ALLOWED_HOSTS", "localhost"),
            ("PALISADE_HTTP__TRUSTED_PROXIES", trusted),
        ];
        assert!(
            run(&folder, &settings[..1], &["keys", "new"], "")
                .status
                .success()
        );
        assert!(run(&folder, &settings, &["migrate"], "").status.success());
        // the stale socket of a killed process does not prevent the start
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        let server = Server::at(&folder, &settings, &address);
        if is_socket {
            let mode = std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o660, "no other user of the machine gets in");
            let second = run(&folder, &settings, &["serve", "--address", &address], "");
            assert!(
                !second.status.success() && text(&second).contains("cannot listen on unix:"),
                "{}",
                text(&second)
            );
            let_in(&folder.0, &socket);
        }
        let config = |kind: &str| {
            deployed(
                &folder,
                &["config", kind],
                &[("PALISADE_SERVER__ADDRESS", &address)],
            )
        };
        serves(
            &folder,
            &nginx(&folder, &config("nginx"), &program),
            "nginx",
        );
        serves(&folder, &apache(&folder, &config("apache")), "apache");
        serves(&folder, &caddy(&folder, &config("caddy")), "caddy");
        let log = server.stop();
        let clients: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("login_failed"))
            .collect();
        assert!(
            clients.len() == 3
                && clients
                    .iter()
                    .all(|line| line.contains("127.0.0.1") && !line.contains("203.0.113.9")),
            "{clients:?}"
        );
        assert!(!is_socket || !socket.exists(), "a stop leaves no socket");
    }
    palisade::testing::ran("proxies::the_servers_that_stand_in_front_serve");
}
