//! The protocol of clamd: VERSION and INSTREAM
//! ([man page](https://docs.clamav.net/manual/Usage/Scanning.html)).

use crate::settings::setting_from_str;
use crate::storage::ByteStream;
use futures_util::TryStreamExt;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// Where clamd listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClamdAddress {
    /// A socket on this machine.
    Unix(PathBuf),
    /// Host and port. The protocol has no encryption: files are readable on the way.
    Tcp(String),
}

setting_from_str!(ClamdAddress, "unix:/run/clamav/clamd.ctl, or tcp:HOST:PORT");

impl FromStr for ClamdAddress {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return path.is_absolute().then_some(Self::Unix(path)).ok_or(());
        }
        let address = text.strip_prefix("tcp:").ok_or(())?;
        let (host, port) = address.rsplit_once(':').ok_or(())?;
        match !host.is_empty() && port.parse::<u16>().is_ok() {
            true => Ok(Self::Tcp(address.to_owned())),
            false => Err(()),
        }
    }
}

impl fmt::Display for ClamdAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}

/// The verdict of clamd about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::uploads) enum Verdict {
    /// Literally `stream: OK`.
    Clean,
    /// The name of the finding.
    Infected(String),
}

/// No verdict: clamd is away, slow, or answered something else.
#[derive(Debug)]
pub(crate) struct ScannerAway(pub(crate) String);

impl fmt::Display for ScannerAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<io::Error> for ScannerAway {
    fn from(error: io::Error) -> Self {
        Self(format!("the virus scanner does not answer: {error}"))
    }
}

/// A clamd.
pub(in crate::uploads) struct Clamd {
    address: ClamdAddress,
    time: Duration,
}

/// Longest answer in bytes.
const LONGEST_ANSWER: u64 = 4096;
/// Time for a connection and for the answer to VERSION.
const SHORT: Duration = Duration::from_secs(5);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Clamd {
    pub(super) fn new(address: ClamdAddress, time: Duration) -> Self {
        Self { address, time }
    }

    /// Program and version of the signatures.
    pub(super) async fn version(&self) -> Result<String, ScannerAway> {
        let asked = async {
            let mut stream = self.connect().await?;
            stream.write_all(b"zVERSION\0").await?;
            answer(&mut stream).await
        };
        let version = within(SHORT, asked).await?;
        match version.starts_with("ClamAV ") {
            true => Ok(version.chars().take(120).collect()),
            false => Err(odd(&version)),
        }
    }

    /// Scans a file.
    pub(super) async fn scan(&self, content: ByteStream) -> Result<Verdict, ScannerAway> {
        let asked = async {
            let mut stream = self.connect().await?;
            let sent = send(&mut stream, content).await;
            if let Err(Unsent::Unread(error)) = sent {
                return Err(error);
            }
            // clamd answers and hangs up before the end of a stream that is too long for it
            answer(&mut stream).await
        };
        verdict(&within(self.time, asked).await?)
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let connecting = async {
            let stream: Box<dyn Stream> = match &self.address {
                ClamdAddress::Unix(path) => Box::new(UnixStream::connect(path).await?),
                ClamdAddress::Tcp(address) => Box::new(TcpStream::connect(address).await?),
            };
            Ok(stream)
        };
        let connected = tokio::time::timeout(SHORT, connecting).await;
        connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

async fn within(
    time: Duration,
    asked: impl Future<Output = io::Result<String>>,
) -> Result<String, ScannerAway> {
    match tokio::time::timeout(time, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(ScannerAway(format!(
            "the virus scanner did not answer within {} s",
            time.as_secs()
        ))),
    }
}

/// Why a file was not sent.
enum Unsent {
    /// The file cannot be read: clamd would wait for its end.
    Unread(io::Error),
    /// clamd has ended the connection, perhaps with an answer.
    HungUp,
}

impl From<io::Error> for Unsent {
    fn from(_: io::Error) -> Self {
        Self::HungUp
    }
}

/// Sends pieces, each with its length, and an empty one at the end.
async fn send(stream: &mut Box<dyn Stream>, mut content: ByteStream) -> Result<(), Unsent> {
    stream.write_all(b"zINSTREAM\0").await?;
    while let Some(piece) = content.try_next().await.map_err(Unsent::Unread)? {
        if piece.is_empty() {
            continue;
        }
        let length = u32::try_from(piece.len()).map_err(io::Error::other)?;
        stream.write_all(&length.to_be_bytes()).await?;
        stream.write_all(&piece).await?;
    }
    stream.write_all(&0_u32.to_be_bytes()).await?;
    Ok(stream.flush().await?)
}

async fn answer(stream: &mut Box<dyn Stream>) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut stream = stream.take(LONGEST_ANSWER);
    loop {
        let mut piece = [0; 512];
        let read = stream.read(&mut piece).await?;
        bytes.extend_from_slice(&piece[..read]);
        if read == 0 || bytes.contains(&0) {
            break;
        }
    }
    let end = bytes.iter().position(|byte| *byte == 0);
    // without its end, an answer may be the beginning of another one
    let whole = end.map(|end| &bytes[..end]).unwrap_or_default();
    Ok(String::from_utf8_lossy(whole).into_owned())
}

/// Everything else than these two answers is none.
fn verdict(answer: &str) -> Result<Verdict, ScannerAway> {
    if answer == "stream: OK" {
        return Ok(Verdict::Clean);
    }
    let found = answer
        .strip_prefix("stream: ")
        .and_then(|rest| rest.strip_suffix(" FOUND"));
    match found {
        Some(name) => Ok(Verdict::Infected(
            name.chars()
                .filter(|letter| !letter.is_control())
                .take(200)
                .collect(),
        )),
        None => Err(odd(answer)),
    }
}

fn odd(answer: &str) -> ScannerAway {
    let shown: String = answer.chars().take(200).collect();
    ScannerAway(format!("the virus scanner answered {shown:?}"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    // D53: only a literal OK is clean
    #[test]
    fn only_a_literal_ok_is_clean() {
        assert_eq!(verdict("stream: OK").unwrap(), Verdict::Clean);
        let found = verdict("stream: Palisade.Eicar.UNOFFICIAL FOUND").unwrap();
        assert_eq!(found, Verdict::Infected("Palisade.Eicar.UNOFFICIAL".into()));
        for odd in [
            "",
            "OK",
            "stream: ok",
            "stream: OK ",
            " stream: OK",
            "stream: OK\n",
            "stream:OK",
            "INSTREAM size limit exceeded. ERROR",
            "stream: Can't allocate memory ERROR",
            "stream: OK FOUND ERROR",
            "PONG",
        ] {
            assert!(verdict(odd).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn addresses_are_parsed() {
        for good in [
            "unix:/run/clamav/clamd.ctl",
            "tcp:127.0.0.1:3310",
            "tcp:scanner:3310",
        ] {
            assert_eq!(good.parse::<ClamdAddress>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "unix:clamd.ctl",
            "tcp:scanner",
            "tcp::3310",
            "/run/clamd",
            "tcp:a:99999",
        ] {
            assert!(bad.parse::<ClamdAddress>().is_err(), "{bad}");
        }
    }
}
