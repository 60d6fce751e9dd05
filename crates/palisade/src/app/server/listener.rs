//! Listening sockets: TCP, or a Unix socket for a proxy on this machine.

use super::address::ListenAddress;
use super::{ListenError, SiteSettings};
use crate::http::UNIX_PEER;
use listenfd::ListenFd;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};
use tokio_util::either::Either;

/// An accepted connection.
#[cfg(unix)]
pub(super) type Socket = Either<TcpStream, UnixStream>;
#[cfg(not(unix))]
pub(super) type Socket = Either<TcpStream, TcpStream>;

/// A listening socket.
pub(super) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix {
        listener: UnixListener,
        path: PathBuf,
        /// Whether this process created the file.
        is_own: bool,
    },
}

impl Listener {
    /// Takes the socket that systemd opened for this process, or opens one.
    pub(super) fn open(
        settings: &SiteSettings,
        inherited: &mut ListenFd,
        number: usize,
        address: &ListenAddress,
    ) -> Result<Self, ListenError> {
        let opened = match address {
            ListenAddress::Tcp(address) => Self::tcp(settings, inherited, number, *address)?,
            #[cfg(unix)]
            ListenAddress::Unix(path) => unix::open(inherited, number, path)?,
            #[cfg(not(unix))]
            ListenAddress::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        };
        let listener = opened.map_err(|error| ListenError::Address(address.clone(), error))?;
        super::Server::may_listen(
            settings,
            &listener.address().unwrap_or_else(|| address.clone()),
        )?;
        Ok(listener)
    }

    fn tcp(
        settings: &SiteSettings,
        inherited: &mut ListenFd,
        number: usize,
        address: SocketAddr,
    ) -> Result<io::Result<Self>, ListenError> {
        let made = match inherited
            .take_tcp_listener(number)
            .map_err(ListenError::Inherited)?
        {
            Some(socket) => socket
                .set_nonblocking(true)
                .and_then(|()| TcpListener::from_std(socket)),
            None => {
                super::Server::may_listen(settings, &ListenAddress::Tcp(address))?;
                bind(address)
            }
        };
        Ok(made.map(Self::Tcp))
    }

    /// The local address.
    pub(super) fn address(&self) -> Option<ListenAddress> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok().map(ListenAddress::Tcp),
            #[cfg(unix)]
            Self::Unix { path, .. } => Some(ListenAddress::Unix(path.clone())),
        }
    }

    /// The next connection, and the address of its peer.
    pub(super) async fn accept(&self) -> io::Result<(Socket, IpAddr)> {
        match self {
            Self::Tcp(listener) => listener
                .accept()
                .await
                .map(|(stream, address)| (Either::Left(stream), address.ip())),
            #[cfg(unix)]
            Self::Unix { listener, .. } => listener
                .accept()
                .await
                .map(|(stream, _)| (Either::Right(stream), UNIX_PEER)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Self::Unix {
            path, is_own: true, ..
        } = self
        {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // so that the server can restart while old connections end
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Length of the accept queue.
const BACKLOG: u32 = 1024;

#[cfg(unix)]
mod unix {
    use super::{ListenError, ListenFd, Listener, UnixListener, io};
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    use std::os::unix::net::UnixStream;
    use std::path::Path;

    pub(super) fn open(
        inherited: &mut ListenFd,
        number: usize,
        path: &Path,
    ) -> Result<io::Result<Listener>, ListenError> {
        let inherited = inherited
            .take_unix_listener(number)
            .map_err(ListenError::Inherited)?;
        let is_own = inherited.is_none();
        let made = match inherited {
            Some(socket) => socket
                .set_nonblocking(true)
                .and_then(|()| UnixListener::from_std(socket)),
            None => bind(path),
        };
        Ok(made.map(|listener| Listener::Unix {
            listener,
            path: path.to_owned(),
            is_own,
        }))
    }

    /// Binds a socket that is accessible to the user and the group of this process only.
    fn bind(path: &Path) -> io::Result<UnixListener> {
        remove_abandoned(path)?;
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        Ok(listener)
    }

    /// Removes the stale socket of a killed process. A socket in use, and any other file, stays.
    fn remove_abandoned(path: &Path) -> io::Result<()> {
        let is_socket =
            std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
        match is_socket
            && UnixStream::connect(path)
                .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        {
            true => std::fs::remove_file(path),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ListenAddress;

    #[test]
    fn addresses_are_read_as_they_are_shown() {
        for text in ["127.0.0.1:8000", "[::1]:8000", "unix:/run/desk/site.sock"] {
            assert_eq!(
                text.parse::<ListenAddress>()
                    .map(|address| address.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in [
            "",
            "unix:",
            "unix:site.sock",
            "127.0.0.1",
            "/run/site.sock",
            "localhost:80",
        ] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
    }
}
