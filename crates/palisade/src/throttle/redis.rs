use super::store::Absolution;
use super::store::CounterKey;
use super::{Count, CounterStore, LockPolicy, Rate, Standing, StoreDown};
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
    guess: Script,
    absolve: Script,
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

/// The algorithm of a lock (`throttle/lockout.rs`), in milliseconds. Returns 0, 1 with the length of the lock that begins, or 2 with what is left of it.
const GUESS: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local failures, window, lock, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local kept = redis.call('HMGET', KEYS[1], 'count', 'ends', 'until', 'locks')
local count, ends = tonumber(kept[1] or 0), tonumber(kept[2] or 0)
local locked, locks = tonumber(kept[3] or 0), tonumber(kept[4] or 0)
if now < locked then return {2, locked - now} end
if now >= ends and now >= locked + longest then locks = 0 end
if now >= ends or count >= failures then count, ends = 0, now + window end
count = count + 1
local answer = {0, 0}
if count >= failures then
  local length = math.min(lock * 2 ^ math.min(locks, 20), longest)
  locked, locks = now + length, locks + 1
  answer = {1, length}
end
local text = function(number) return string.format('%.0f', number) end
redis.call('HSET', KEYS[1], 'count', count, 'ends', text(ends), 'until', text(locked), 'locks', locks)
redis.call('PEXPIRE', KEYS[1], text(math.max(ends, locks > 0 and locked + longest or 0) - now + 1000))
return answer
";

const ABSOLVE: &str = r"
if ARGV[1] == 'all' then return redis.call('DEL', KEYS[1]) end
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local kept = redis.call('HMGET', KEYS[1], 'count', 'until', 'locks')
if tonumber(now) < tonumber(kept[2]) then
  redis.call('HSET', KEYS[1], 'until', now, 'locks', math.max(tonumber(kept[3]) - 1, 0))
end
return redis.call('HSET', KEYS[1], 'count', math.max(tonumber(kept[1]) - 1, 0))
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
        Ok(Self {
            client,
            connection: OnceCell::new(),
            script: Script::new(COUNT),
            guess: Script::new(GUESS),
            absolve: Script::new(ABSOLVE),
        })
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

fn guess_key(key: CounterKey) -> String {
    format!("palisade:guess:{:032x}", u128::from_be_bytes(key))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl RedisStore {
    async fn guessed(&self, key: CounterKey, policy: LockPolicy) -> Result<Standing, StoreDown> {
        let mut connection = self.connection().await?;
        let mut call = self.guess.prepare_invoke();
        call.key(guess_key(key)).arg(policy.failures);
        for time in [policy.window, policy.lock, policy.longest] {
            call.arg(millis(time));
        }
        let (standing, length): (u8, u64) = call.invoke_async(&mut connection).await.map_err(|error| down(&error))?;
        let length = Duration::from_millis(length);
        Ok(match standing {
            0 => Standing::Open,
            1 => Standing::Last(length),
            _ => Standing::Locked(length),
        })
    }

    async fn absolved(&self, key: CounterKey, absolution: Absolution) -> Result<(), StoreDown> {
        let mut connection = self.connection().await?;
        let what = if absolution == Absolution::All { "all" } else { "one" };
        let done: Result<i64, RedisError> = self.absolve.key(guess_key(key)).arg(what).invoke_async(&mut connection).await;
        done.map(drop).map_err(|error| down(&error))
    }
}

impl CounterStore for RedisStore {
    fn count<'a>(&'a self, key: CounterKey, rates: &'a [Rate]) -> BoxFuture<'a, Result<Count, StoreDown>> {
        Box::pin(async move { in_time(self.counted(key, rates)).await })
    }

    fn guess(&self, key: CounterKey, policy: LockPolicy, _: Duration) -> BoxFuture<'_, Result<Standing, StoreDown>> {
        Box::pin(async move { in_time(self.guessed(key, policy)).await })
    }

    fn absolve(&self, key: CounterKey, absolution: Absolution, _: Duration) -> BoxFuture<'_, Result<(), StoreDown>> {
        Box::pin(async move { in_time(self.absolved(key, absolution)).await })
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
