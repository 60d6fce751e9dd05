//! The [PROXY protocol](https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt), versions 1
//! and 2: a trusted TCP proxy names the client's address.

use super::Socket;
use ppp::{HeaderResult, PartialResult, v1, v2};
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::sleep;

/// Longest accepted header; version 1 has at most 107 bytes, version 2 rarely more than a few
/// hundred.
const LONGEST: usize = 2048;
/// Delay before a partial header is read again.
const PAUSE: Duration = Duration::from_millis(10);

/// Reads the header of a connection and returns the client's address; `None` if the proxy connects
/// on its own behalf.
pub(super) async fn client(stream: &mut Socket) -> io::Result<Option<IpAddr>> {
    // a Unix socket cannot be peeked; a check refuses both settings together
    let Socket::Left(stream) = stream else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    let mut seen = [0; LONGEST];
    loop {
        // peeked: the bytes after the header belong to TLS or HTTP
        let length = stream.peek(&mut seen).await?;
        let parsed = HeaderResult::parse(&seen[..length]);
        if parsed.is_incomplete() && (1..LONGEST).contains(&length) {
            sleep(PAUSE).await;
            continue;
        }
        let (taken, client) = client_of(&parsed).ok_or(io::ErrorKind::InvalidData)?;
        stream.read_exact(&mut seen[..taken]).await?;
        return Ok(client);
    }
}

/// Length of the header, and the client's address.
fn client_of(parsed: &HeaderResult<'_>) -> Option<(usize, Option<IpAddr>)> {
    match parsed {
        HeaderResult::V1(Ok(header)) => Some((
            header.header.len(),
            match header.addresses {
                v1::Addresses::Tcp4(found) => Some(found.source_address.into()),
                v1::Addresses::Tcp6(found) => Some(found.source_address.into()),
                v1::Addresses::Unknown => None,
            },
        )),
        HeaderResult::V2(Ok(header)) => Some((
            header.len(),
            match header.addresses {
                _ if header.command == v2::Command::Local => None,
                v2::Addresses::IPv4(found) => Some(found.source_address.into()),
                v2::Addresses::IPv6(found) => Some(found.source_address.into()),
                v2::Addresses::Unix(_) | v2::Addresses::Unspecified => None,
            },
        )),
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => None,
    }
}
