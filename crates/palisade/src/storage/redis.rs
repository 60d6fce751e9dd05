//! The connection to Redis: opened on demand, and again when it was lost.

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// A Redis that several instances share.
pub(crate) struct Redis {
    client: Client,
    connection: OnceCell<ConnectionManager>,
}

/// The failure of a Redis command.
#[derive(Debug)]
pub(crate) struct Away(pub(crate) String);

/// Timeout of a command.
const PATIENCE: Duration = Duration::from_millis(250);

impl Redis {
    /// A lazy connection.
    ///
    /// # Errors
    /// An invalid URL.
    pub(crate) fn new(url: &str) -> Result<Self, Away> {
        Ok(Self {
            client: Client::open(url)?,
            connection: OnceCell::new(),
        })
    }

    /// Runs a command, with a timeout of a quarter of a second.
    pub(crate) async fn ask<T, F>(
        &self,
        question: impl FnOnce(ConnectionManager) -> F,
    ) -> Result<T, Away>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        let asked = async { Ok(question(self.connection().await?).await?) };
        timeout(PATIENCE, asked)
            .await
            .unwrap_or_else(|_| Err(Away(format!("no answer in {PATIENCE:?}"))))
    }

    async fn connection(&self) -> Result<ConnectionManager, RedisError> {
        let made = self.connection.get_or_try_init(|| async {
            let config = ConnectionManagerConfig::new().set_number_of_retries(1);
            ConnectionManager::new_with_config(self.client.clone(), config).await
        });
        made.await.cloned()
    }
}

impl From<RedisError> for Away {
    /// The message without the URL, which may hold a password.
    fn from(error: RedisError) -> Self {
        Self(
            error
                .detail()
                .map_or_else(|| format!("{:?}", error.kind()), str::to_owned),
        )
    }
}
