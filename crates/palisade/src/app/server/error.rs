use super::{ListenAddress, TlsError};
use std::io;

/// Why a server does not listen.
#[derive(Debug)]
pub enum ListenError {
    /// The address is in use, or not local.
    Address(ListenAddress, io::Error),
    /// The address is reachable from other machines, in the development profile.
    Public(ListenAddress),
    /// A socket of `LISTEN_FDS` is invalid.
    Inherited(io::Error),
    /// The certificate cannot be used.
    Tls(TlsError),
}

impl std::fmt::Display for ListenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address, error) => {
                write!(
                    f,
                    "cannot listen on {address}: {error}\n  fix: stop the process that listens there, or choose another address with serve --address"
                )
            }
            Self::Public(address) => write!(
                f,
                "{address} can be reached from other machines, and the development profile serves this one only\n  \
                 fix: listen on 127.0.0.1, or set PALISADE_PROFILE=staging"
            ),
            Self::Inherited(error) => write!(
                f,
                "LISTEN_FDS names a socket that cannot be used: {error}\n  fix: let the socket unit listen on server.address (ListenStream=443), or unset LISTEN_FDS"
            ),
            Self::Tls(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ListenError {}
