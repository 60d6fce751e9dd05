use super::store::CounterKey;
use super::store::Revert;
use super::{Count, CounterStore, LockPolicy, LockState, Rate, StoreDown};
use crate::storage::redis::{Away, Redis};
use futures_util::future::BoxFuture;
use redis::Script;
use std::time::Duration;

/// Counts in Redis, for several instances: one script per request, which Redis runs atomically, by
/// Redis's clock.
pub struct RedisStore {
    redis: Redis,
    script: Script,
    guess: Script,
    revert_guess: Script,
}

/// The algorithm of [`Rate`], in microseconds. A key is a hash with a field for each rate, and
/// expires when all is forgotten. Returns the number of the exceeded rate and the time to wait; or 0,
/// and the theoretical arrival time after now of each rate.
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
local used = {0}
for rate, following in ipairs(after) do used[rate + 1] = following - now end
return used
";

/// The algorithm of a lockout (`throttle/lockout.rs`), in milliseconds. Returns 0, 1 with the
/// length of a new lock, or 2 with the rest of the current one.
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

const REVERT: &str = r"
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

impl RedisStore {
    /// A store that connects on demand, and again when the connection is lost.
    ///
    /// # Errors
    /// An invalid URL.
    pub fn new(url: &str) -> Result<Self, StoreDown> {
        Ok(Self {
            redis: Redis::new(url)?,
            script: Script::new(COUNT),
            guess: Script::new(GUESS),
            revert_guess: Script::new(REVERT),
        })
    }

    async fn count_in_redis(&self, key: CounterKey, rates: &[Rate]) -> Result<Count, StoreDown> {
        let mut call = self.script.prepare_invoke();
        call.key(format!("palisade:rate:{:032x}", u128::from_be_bytes(key)));
        for rate in rates {
            call.arg(micros(rate.interval()))
                .arg(micros(rate.capacity()));
        }
        let asked = self
            .redis
            .ask(async |mut connection| call.invoke_async(&mut connection).await);
        let answer: Vec<u64> = asked.await?;
        let used_up = answer.first().copied().unwrap_or_default();
        let used_up = usize::try_from(used_up).unwrap_or_default().checked_sub(1);
        let times = answer.iter().skip(1).copied().map(Duration::from_micros);
        if let Some(rate) = used_up.and_then(|at| rates.get(at)) {
            let wait = times.into_iter().next().unwrap_or_default();
            return Ok(Count::Refused(*rate, wait));
        }
        let left = rates.iter().zip(times);
        let left = left.map(|(rate, used)| rate.left(used, Duration::ZERO));
        Ok(Count::Admitted(left.min_by_key(|left| left.requests)))
    }
}

fn guess_key(key: CounterKey) -> String {
    format!("palisade:guess:{:032x}", u128::from_be_bytes(key))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl RedisStore {
    async fn guess_in_redis(
        &self,
        key: CounterKey,
        policy: LockPolicy,
    ) -> Result<LockState, StoreDown> {
        let mut call = self.guess.prepare_invoke();
        call.key(guess_key(key)).arg(policy.failures);
        for time in [policy.window, policy.lock, policy.longest] {
            call.arg(millis(time));
        }
        let asked = self
            .redis
            .ask(async |mut connection| call.invoke_async(&mut connection).await);
        let (standing, length): (u8, u64) = asked.await?;
        let length = Duration::from_millis(length);
        Ok(match standing {
            0 => LockState::Open,
            1 => LockState::Last(length),
            _ => LockState::Locked(length),
        })
    }

    async fn reverted(&self, key: CounterKey, revert: Revert) -> Result<(), StoreDown> {
        let what = if revert == Revert::All { "all" } else { "one" };
        let asked = self.redis.ask(async |mut connection| {
            self.revert_guess
                .key(guess_key(key))
                .arg(what)
                .invoke_async::<i64>(&mut connection)
                .await
        });
        Ok(asked.await.map(drop)?)
    }
}

impl CounterStore for RedisStore {
    fn count<'a>(
        &'a self,
        key: CounterKey,
        rates: &'a [Rate],
    ) -> BoxFuture<'a, Result<Count, StoreDown>> {
        Box::pin(self.count_in_redis(key, rates))
    }

    fn guess(
        &self,
        key: CounterKey,
        policy: LockPolicy,
        _: Duration,
    ) -> BoxFuture<'_, Result<LockState, StoreDown>> {
        Box::pin(self.guess_in_redis(key, policy))
    }

    fn revert(
        &self,
        key: CounterKey,
        revert: Revert,
        _: Duration,
    ) -> BoxFuture<'_, Result<(), StoreDown>> {
        Box::pin(self.reverted(key, revert))
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StoreDown>> {
        Box::pin(async {
            let asked = self
                .redis
                .ask(async |mut connection| redis::cmd("PING").exec_async(&mut connection).await);
            Ok(asked.await?)
        })
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl From<Away> for StoreDown {
    fn from(away: Away) -> Self {
        Self(away.0)
    }
}
