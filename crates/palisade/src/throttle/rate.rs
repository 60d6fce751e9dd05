use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Requests per period: `5/m`. They may come as a burst, and then one per even part of the period.
/// `60/m burst 5` limits the burst to five.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: u32,
    unit: Unit,
    burst: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
}

/// The rest of a rate, after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// The rate.
    pub rate: Rate,
    /// Requests that would be admitted now.
    pub requests: u32,
    /// Time after which all of it is there again.
    pub reset: Duration,
}

/// Rates that all apply: `5/m, 100/h`. None: `off`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rates(Vec<Rate>);

/// Most rates of one rate limit.
pub(super) const MOST_RATES: usize = 4;

impl Rate {
    /// Requests.
    pub fn count(self) -> u32 {
        self.count
    }

    /// Burst.
    pub fn burst(self) -> u32 {
        self.burst
    }

    /// Period.
    pub fn period(self) -> Duration {
        Duration::from_secs(match self.unit {
            Unit::Second => 1,
            Unit::Minute => 60,
            Unit::Hour => 3600,
            Unit::Day => 86_400,
        })
    }

    /// Time after which one request is forgotten.
    pub(super) fn interval(self) -> Duration {
        self.period() / self.count.max(1)
    }

    /// Time after which a whole burst is forgotten.
    pub(super) fn capacity(self) -> Duration {
        self.interval() * self.burst
    }

    /// Counts one request by the generic cell rate algorithm
    /// ([ITU-T I.371](https://www.itu.int/rec/T-REC-I.371)): `arrival` is the theoretical arrival
    /// time, on the same clock as `now`.
    ///
    /// # Errors
    /// Time to wait before the next one.
    pub(super) fn admit(self, arrival: Duration, now: Duration) -> Result<Duration, Duration> {
        let next = arrival.max(now) + self.interval();
        let most = now + self.capacity();
        if next > most {
            Err(next - most)
        } else {
            Ok(next)
        }
    }
}

impl Rate {
    /// The rest after a request, whose theoretical arrival time is now `next`.
    pub(super) fn left(self, next: Duration, now: Duration) -> Left {
        let used = next.saturating_sub(now);
        let free = self.capacity().saturating_sub(used).as_nanos();
        let requests = free / self.interval().as_nanos().max(1);
        Left {
            rate: self,
            requests: u32::try_from(requests).unwrap_or(u32::MAX),
            reset: used,
        }
    }

    /// The rate of several clients together.
    fn times(self, times: u32) -> Self {
        let most = |count: u32| count.saturating_mul(times).min(MOST);
        Self {
            count: most(self.count),
            burst: most(self.burst),
            ..self
        }
    }
}

impl Rates {
    /// The rates of several clients together.
    pub(super) fn times(&self, times: u32) -> Self {
        Self(self.0.iter().map(|rate| rate.times(times)).collect())
    }

    /// The rates.
    pub fn as_slice(&self) -> &[Rate] {
        &self.0
    }

    /// Whether there is no rate limit.
    pub fn is_off(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Rate {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (rate, burst) = text
            .split_once(" burst ")
            .map_or((text, None), |(rate, burst)| (rate, Some(burst)));
        let (count, unit) = rate.trim().split_once('/').ok_or(())?;
        let unit = match unit.trim() {
            "s" => Unit::Second,
            "m" => Unit::Minute,
            "h" => Unit::Hour,
            "d" => Unit::Day,
            _ => return Err(()),
        };
        let number = |text: &str| {
            text.trim()
                .parse()
                .ok()
                .filter(|count| (1..=MOST).contains(count))
                .ok_or(())
        };
        let count = number(count)?;
        Ok(Self {
            count,
            unit,
            burst: burst.map_or(Ok(count), number)?,
        })
    }
}

/// Beyond this a request takes less than a microsecond, the resolution of the algorithm.
const MOST: u32 = 1_000_000;

impl FromStr for Rates {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.trim() == "off" {
            return Ok(Self::default());
        }
        let rates = text
            .split(',')
            .map(str::parse)
            .collect::<Result<Vec<Rate>, ()>>()?;
        if rates.len() > MOST_RATES {
            Err(())
        } else {
            Ok(Self(rates))
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Second => "s",
            Unit::Minute => "m",
            Unit::Hour => "h",
            Unit::Day => "d",
        };
        write!(f, "{}/{unit}", self.count)?;
        if self.burst == self.count {
            Ok(())
        } else {
            write!(f, " burst {}", self.burst)
        }
    }
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_off() {
            return f.write_str("off");
        }
        let shown: Vec<String> = self.0.iter().map(Rate::to_string).collect();
        f.write_str(&shown.join(", "))
    }
}
