use super::store::CounterKey;
use super::{Count, CounterStore, Rate, StoreDown};
use futures_util::future::BoxFuture;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError, Script};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// Counts in Redis, for several instances: one script for each request, which Redis runs as a whole, by Redis's own clock.
pub struct RedisStore {
    client: Client,
    connection: OnceCell<ConnectionManager>,
    script: Script,
}

/// The algorithm of [`Rate`], in microseconds. A key is a hash with a field for each rate; it ends when all is forgotten. Returns the number of the
/// rate that is used up, or 0, and how long to wait.
const COUNT: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local after, last = {}, now
for rate = 1, #ARGV / 2 do
  local interval, burst = tonumber(ARGV[2 * rate - 1]), tonumber(ARGV[2 * rate])
  local arrival = tonumber(redis.call('HGET', KEYS[1], rate) or now)
  local following = math.max(arrival, now) + interval
  if following > now + burst then return {rate, following - now - burst} end
  after[rate] = following
  last = math.max(last, following)
end
for rate, following in ipairs(after) do redis.call('HSET', KEYS[1], rate, string.format('%.0f', following)) end
redis.call('PEXPIRE', KEYS[1], math.ceil((last - now) / 1000) + 1)
return {0, 0}
";

/// Time in which Redis must have answered.
const PATIENCE: Duration = Duration::from_millis(250);

impl RedisStore {
    /// A store that connects when it is first asked, and again when the connection is lost.
    ///
    /// # Errors
    /// A URL that is none.
    pub fn new(url: &str) -> Result<Self, StoreDown> {
        let client = Client::open(url).map_err(|error| down(&error))?;
        Ok(Self { client, connection: OnceCell::new(), script: Script::new(COUNT) })
    }

    async fn connection(&self) -> Result<ConnectionManager, StoreDown> {
        let made = self.connection.get_or_try_init(|| async {
            let config = ConnectionManagerConfig::new().set_number_of_retries(1);
            ConnectionManager::new_with_config(self.client.clone(), config).await
        });
        made.await.cloned().map_err(|error| down(&error))
    }

    async fn counted(&self, key: CounterKey, rates: &[Rate]) -> Result<Count, StoreDown> {
        let mut connection = self.connection().await?;
        let mut call = self.script.prepare_invoke();
        call.key(format!("palisade:rate:{:032x}", u128::from_be_bytes(key)));
        for rate in rates {
            call.arg(micros(rate.interval())).arg(micros(rate.capacity()));
        }
        let (used_up, wait): (usize, u64) = call.invoke_async(&mut connection).await.map_err(|error| down(&error))?;
        Ok(match used_up.checked_sub(1).and_then(|at| rates.get(at)) {
            Some(rate) => Count::Refused(*rate, Duration::from_micros(wait)),
            None => Count::Admitted,
        })
    }
}

impl CounterStore for RedisStore {
    fn count<'a>(&'a self, key: CounterKey, rates: &'a [Rate]) -> BoxFuture<'a, Result<Count, StoreDown>> {
        Box::pin(async move { in_time(self.counted(key, rates)).await })
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StoreDown>> {
        Box::pin(in_time(async {
            let mut connection = self.connection().await?;
            redis::cmd("PING").exec_async(&mut connection).await.map_err(|error| down(&error))
        }))
    }
}

async fn in_time<T>(asked: impl Future<Output = Result<T, StoreDown>>) -> Result<T, StoreDown> {
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(StoreDown(format!("no answer in {PATIENCE:?}"))))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Words without the URL, which may hold a password.
fn down(error: &RedisError) -> StoreDown {
    StoreDown(error.detail().map_or_else(|| format!("{:?}", error.kind()), str::to_owned))
}
