use super::syslog::framed;
use crate::http::client::Client;
use crate::settings::setting_from_str;
use std::fmt;
use std::str::FromStr;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// A syslog server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyslogTarget {
    /// The socket of this machine's daemon.
    Unix(String),
    /// Host and port.
    Tcp(String),
    /// Host and port; the certificate is verified.
    Tls(String),
}

setting_from_str!(
    SyslogTarget,
    "unix:/dev/log, tcp://HOST:PORT or tls://HOST:PORT"
);

impl FromStr for SyslogTarget {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let with_port = |text: &str| {
            let (host, port) = text.rsplit_once(':').ok_or(())?;
            let is_port = port.parse::<u16>().is_ok();
            (!host.is_empty() && is_port)
                .then(|| text.to_owned())
                .ok_or(())
        };
        match text.split_once(':') {
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.to_owned())),
            Some(("tcp", rest)) => with_port(rest.strip_prefix("//").ok_or(())?).map(Self::Tcp),
            Some(("tls", rest)) => with_port(rest.strip_prefix("//").ok_or(())?).map(Self::Tls),
            _ => Err(()),
        }
    }
}

impl fmt::Display for SyslogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{path}"),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Tls(address) => write!(f, "tls://{address}"),
        }
    }
}

impl SyslogTarget {
    pub(super) async fn send(&self, client: &Client, message: &str) -> Result<(), String> {
        let failed = |error: std::io::Error| error.to_string();
        match self {
            #[cfg(unix)]
            Self::Unix(path) => {
                let socket = tokio::net::UnixDatagram::unbound().map_err(failed)?;
                socket
                    .send_to(message.as_bytes(), path)
                    .await
                    .map_err(failed)?;
            }
            #[cfg(not(unix))]
            Self::Unix(_) => return Err("this system has no unix sockets".into()),
            Self::Tcp(address) => {
                let mut stream = TcpStream::connect(address).await.map_err(failed)?;
                write_all(&mut stream, message).await.map_err(failed)?;
            }
            Self::Tls(address) => {
                let mut stream = client.connect_tls(address).await.map_err(failed)?;
                write_all(&mut stream, message).await.map_err(failed)?;
            }
        }
        Ok(())
    }
}

async fn write_all(
    stream: &mut (impl tokio::io::AsyncWrite + Unpin),
    message: &str,
) -> std::io::Result<()> {
    stream.write_all(framed(message).as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_and_shown() {
        for text in [
            "unix:/dev/log",
            "tcp://log.example.org:514",
            "tls://[2001:db8::1]:6514",
        ] {
            assert_eq!(
                text.parse::<SyslogTarget>()
                    .map(|target| target.to_string()),
                Ok(text.into())
            );
        }
        for text in [
            "udp://x:1",
            "tcp://x",
            "tcp://:1",
            "unix:log",
            "tls:x:1",
            "tcp://x:99999",
        ] {
            assert!(text.parse::<SyslogTarget>().is_err(), "{text}");
        }
    }
}
