//! clamd: the real one with signatures of a test, and one that lies.

use palisade::testing::server;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The middle of the EICAR test file, which is no virus.
const MARK: &[u8] = b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!";

/// The EICAR test file, put together so that no scanner finds it in this source.
pub(crate) fn eicar() -> Vec<u8> {
    [&b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$"[..], MARK, b"$H+H*"].concat()
}

/// A running clamd, which ends with it.
pub(crate) struct Clamd {
    child: Child,
    pub(crate) address: String,
}

impl Drop for Clamd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Clamd {
    /// Starts it with one signature and these lines of configuration; `None` where it is not
    /// installed.
    pub(crate) async fn start(folder: &Path, lines: &str) -> Option<Self> {
        let program = server("PALISADE_TEST_CLAMD")?;
        let (signatures, socket) = (folder.join("signatures"), folder.join("clamd.sock"));
        std::fs::create_dir_all(&signatures).unwrap();
        let hex: String = MARK.iter().map(|byte| format!("{byte:02x}")).collect();
        std::fs::write(
            signatures.join("test.ndb"),
            format!("Palisade.Eicar:0:*:{hex}\n"),
        )
        .unwrap();
        let configuration = format!(
            "Foreground yes\nDatabaseDirectory {}\nLocalSocket {}\nFixStaleSocket yes\nUser root\n{lines}\n",
            signatures.display(),
            socket.display()
        );
        let file = folder.join("clamd.conf");
        std::fs::write(&file, configuration).unwrap();
        let child = Command::new(program)
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let clamd = Self {
            child,
            address: format!("unix:{}", socket.display()),
        };
        for _ in 0..200 {
            if tokio::net::UnixStream::connect(&socket).await.is_ok() {
                return Some(clamd);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("clamd does not start");
    }
}

/// The behaviour of a false clamd.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Habit {
    /// Finds the test virus and these bytes.
    Finds(Vec<u8>),
    /// OK to everything.
    Lies,
    /// No answer.
    Hangs,
    /// Ends the connection without an answer, or before its end.
    Closes(&'static str),
    /// The same answer to everything.
    Says(&'static str),
}

/// A false clamd, whose habits and version can be changed.
#[derive(Clone)]
pub(crate) struct False {
    pub(crate) address: String,
    state: Arc<Mutex<(Habit, String)>>,
}

impl False {
    pub(crate) async fn start(habit: Habit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("tcp:{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new((habit, "ClamAV 1.4.6/27800/today".to_owned())));
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (habit, version) = shared.lock().unwrap().clone();
                tokio::spawn(answer(stream, habit, version));
            }
        });
        Self { address, state }
    }

    pub(crate) fn set(&self, habit: Habit) {
        self.state.lock().unwrap().0 = habit;
    }

    pub(crate) fn update(&self, version: &str) {
        self.state.lock().unwrap().1 = version.to_owned();
    }
}

async fn answer(mut stream: TcpStream, habit: Habit, version: String) -> Option<()> {
    let mut command = Vec::new();
    while command.last() != Some(&0) {
        command.push(stream.read_u8().await.ok()?);
    }
    if command == b"zVERSION\0" {
        stream
            .write_all(format!("{version}\0").as_bytes())
            .await
            .ok()?;
        return Some(());
    }
    let mut content = Vec::new();
    loop {
        let length = stream.read_u32().await.ok()?;
        if length == 0 {
            break;
        }
        let mut piece = vec![0; length as usize];
        stream.read_exact(&mut piece).await.ok()?;
        content.extend(piece);
    }
    let has = |mark: &[u8]| content.windows(mark.len()).any(|bytes| bytes == mark);
    let said = match habit {
        Habit::Hangs => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            return None;
        }
        Habit::Closes(begun) => {
            stream.write_all(begun.as_bytes()).await.ok()?;
            return None;
        }
        Habit::Lies => "stream: OK".to_owned(),
        Habit::Says(said) => said.to_owned(),
        Habit::Finds(mark) if has(MARK) || has(&mark) => "stream: Test.Virus FOUND".to_owned(),
        Habit::Finds(_) => "stream: OK".to_owned(),
    };
    stream.write_all(format!("{said}\0").as_bytes()).await.ok()
}
