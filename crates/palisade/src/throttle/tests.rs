#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::http::ClientAddress;
use std::sync::Arc;
use std::time::Duration;

fn rates(text: &str) -> Rates {
    text.parse().unwrap()
}

#[test]
fn rates_are_read_and_shown() {
    for text in [
        "5/m",
        "1/s",
        "100/h",
        "1000/d",
        "5/m, 100/h",
        "off",
        "60/m burst 5",
        "1/h burst 3, 10/d",
    ] {
        assert_eq!(rates(text).to_string(), text);
    }
    for text in [
        "",
        "5",
        "5/",
        "/m",
        "0/m",
        "-1/m",
        "5/w",
        "5/m,",
        "5/m;6/h",
        "1.5/m",
        "5000000/s",
        "1/s,1/m,1/h,1/d,2/d",
        "5/m burst",
        "5/m burst 0",
        "5/m burst -1",
        "burst 5",
        "5/m burst 5 burst 5",
    ] {
        assert!(text.parse::<Rates>().is_err(), "{text:?}");
    }
}

#[test]
fn a_burst_then_a_steady_rate_then_all_again() {
    let rate = rates("60/m").as_slice()[0];
    let mut arrival = Duration::ZERO;
    let mut send = |now: u64, times: u32| {
        let admitted = (0..times).filter(|_| {
            rate.admit(arrival, Duration::from_secs(now))
                .map(|next| arrival = next)
                .is_ok()
        });
        admitted.count()
    };
    assert_eq!(send(100, 200), 60);
    assert_eq!(send(100, 200), 0);
    assert_eq!(send(110, 200), 10);
    assert_eq!(send(1000, 200), 60, "no more than a burst, after any pause");
    assert_eq!(
        rate.admit(arrival, Duration::from_secs(1000)),
        Err(Duration::from_secs(1)),
        "how long to wait"
    );
}

/// The suite of every store.
async fn passes(store: &dyn CounterStore) {
    let key = fresh_key;
    let many = async |key, rates: &Rates, times: usize| {
        let mut admitted = 0;
        for _ in 0..times {
            admitted += usize::from(
                store
                    .count(key, rates.as_slice())
                    .await
                    .unwrap()
                    .is_admitted(),
            );
        }
        admitted
    };
    let (one, other) = (key("one"), key("other"));
    assert_eq!(many(one, &rates("5/m"), 20).await, 5);
    assert_eq!(many(other, &rates("5/m"), 20).await, 5, "another client");
    let Count::Refused(rate, wait) = store.count(one, rates("5/m").as_slice()).await.unwrap()
    else {
        panic!("refused")
    };
    assert_eq!(rate.to_string(), "5/m");
    assert!(
        wait > Duration::from_secs(8) && wait <= Duration::from_secs(12),
        "{wait:?}"
    );
    // all or none: a request refused by the second rate is not counted by the first
    let both = key("both");
    assert_eq!(many(both, &rates("10/s, 3/h"), 9).await, 3);
    let Count::Refused(rate, _) = store
        .count(both, rates("10/s, 3/h").as_slice())
        .await
        .unwrap()
    else {
        panic!("refused")
    };
    assert_eq!(rate.to_string(), "3/h");
    // a separate burst: at most so many at once, and then at the rate
    let burst = key("burst");
    assert_eq!(many(burst, &rates("600/m burst 3"), 20).await, 3);
    tokio::time::sleep(Duration::from_millis(230)).await;
    assert!(
        (1..=3).contains(&many(burst, &rates("600/m burst 3"), 20).await),
        "one each 100 ms"
    );
    assert_eq!(
        many(key("more"), &rates("1/d burst 4"), 9).await,
        4,
        "a burst may be more than the rate"
    );
    let quick = key("quick");
    assert_eq!(many(quick, &rates("3/s"), 3).await, 3);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(many(quick, &rates("3/s"), 3).await, 3, "forgotten");
}

/// A unique key.
fn fresh_key(name: &str) -> [u8; 16] {
    let text = format!("{name}{}", crate::crypto::random::token().expose());
    let mut key = [0; 16];
    key.copy_from_slice(&<sha2::Sha256 as sha2::Digest>::digest(text)[..16]);
    key
}

#[tokio::test]
async fn memory_passes() {
    passes(&MemoryStore::default()).await;
}

#[tokio::test]
async fn redis_passes() {
    let Some(url) = crate::testing::server("PALISADE_TEST_REDIS") else {
        return;
    };
    passes(&RedisStore::new(&url).unwrap()).await;
    crate::testing::ran("throttle::redis_passes");
}

// F090: instances together allow no more than one would
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_over_one_redis_count_together() {
    let Some(url) = crate::testing::server("PALISADE_TEST_REDIS") else {
        return;
    };
    let limit = Limit::new(
        Box::leak(crate::crypto::random::nonce().into_boxed_str()),
        By::Address,
        "50/h",
    );
    let instances: Vec<_> = (0..4)
        .map(|_| {
            Arc::new(Throttle::new(Some(Arc::new(
                RedisStore::new(&url).unwrap(),
            ))))
        })
        .collect();
    let asked = instances.iter().cycle().take(400).cloned().map(|instance| {
        let limit = limit.clone();
        tokio::spawn(async move {
            instance
                .admit_address(&limit, ClientAddress([192, 0, 2, 1].into()))
                .await
        })
    });
    let mut fine = 0;
    for answer in asked.collect::<Vec<_>>() {
        fine += usize::from(answer.await.unwrap().is_fine());
    }
    assert_eq!(fine, 50);
}

// F090: each policy, while the store does not answer
#[tokio::test]
async fn a_store_that_is_away_is_answered_as_the_limit_says() {
    let away = Throttle::new(Some(Arc::new(
        RedisStore::new("redis://127.0.0.1:1").unwrap(),
    )));
    let client = ClientAddress([192, 0, 2, 1].into());
    let refusing =
        Limit::new("refusing", By::Address, "3/h").when_unreachable(WhenUnreachable::Refuse);
    assert_eq!(
        away.admit_address(&refusing, client).await,
        Outcome::Unknown
    );
    let passing = Limit::new("passing", By::Address, "3/h");
    for expected in [true, true, true, false] {
        assert_eq!(
            away.admit_address(&passing, client).await.is_fine(),
            expected,
            "counted here alone"
        );
    }
}

#[test]
fn a_flood_of_addresses_is_counted_together_and_takes_bounded_memory() {
    let store = MemoryStore::default();
    let rate = rates("1/d");
    let admitted = (0..400_000_u128).filter(|number| {
        store
            .count_now((number + 1).to_be_bytes(), rate.as_slice())
            .is_admitted()
    });
    let admitted = admitted.count();
    assert!(
        (16 * 8192..16 * 8193 + 16).contains(&admitted),
        "{admitted}"
    );
}

// F090: one household or server has a whole /64
#[tokio::test]
async fn neighbours_in_a_network_are_one_client() {
    let throttle = Throttle::new(None);
    let limit = Limit::new("neighbours", By::Address, "5/h");
    let mut fine = 0;
    for number in 0..20 {
        let client = ClientAddress(format!("2001:db8::{number:x}").parse().unwrap());
        fine += usize::from(throttle.admit_address(&limit, client).await.is_fine());
    }
    assert_eq!(fine, 5);
    let mapped = [
        ClientAddress("::ffff:192.0.2.7".parse().unwrap()),
        ClientAddress("192.0.2.7".parse().unwrap()),
    ];
    for number in 0..10 {
        throttle.admit_address(&limit, mapped[number % 2]).await;
    }
    assert!(
        matches!(
            throttle.admit_address(&limit, mapped[0]).await,
            Outcome::TooMany(..)
        ),
        "one client, however it is written"
    );
}

/// Guesses and their results, in a store; the policy is three per second, then locks of 400 ms up
/// to 2 s.
async fn locks_hold(store: &dyn CounterStore, now: impl Fn() -> Duration) {
    let policy = LockPolicy {
        failures: 3,
        window: Duration::from_secs(1),
        lock: Duration::from_millis(400),
        longest: Duration::from_secs(2),
    };
    let key: [u8; 16] = palisade_crypto::random::bytes();
    let guess = async || {
        store
            .guess(key, policy, now())
            .await
            .expect("the store answers")
    };
    let revert = async |what| {
        store
            .revert(key, what, now())
            .await
            .expect("the store answers")
    };
    assert_eq!(
        (guess().await, guess().await),
        (LockState::Open, LockState::Open)
    );
    revert(Revert::One).await;
    assert_eq!(guess().await, LockState::Open, "one was right");
    assert_eq!(guess().await, LockState::Last(Duration::from_millis(400)));
    assert!(matches!(guess().await, LockState::Locked(left) if left <= Duration::from_millis(400)));
    revert(Revert::One).await;
    assert_eq!(
        guess().await,
        LockState::Last(Duration::from_millis(400)),
        "the last one was right: its lock is none, and those before it stay"
    );
    tokio::time::sleep(Duration::from_millis(420)).await;
    for length in [800, 1600] {
        assert_eq!(
            (guess().await, guess().await),
            (LockState::Open, LockState::Open),
            "the lock ended"
        );
        assert_eq!(
            guess().await,
            LockState::Last(Duration::from_millis(length)),
            "the next one is twice as long"
        );
        if length == 800 {
            tokio::time::sleep(Duration::from_millis(820)).await;
        }
    }
    revert(Revert::All).await;
    assert_eq!(
        (guess().await, guess().await),
        (LockState::Open, LockState::Open)
    );
    assert_eq!(
        guess().await,
        LockState::Last(Duration::from_millis(400)),
        "all is forgotten"
    );
}

// F087: the same in this process and in Redis
#[tokio::test]
async fn both_stores_lock_alike() {
    let now = || {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970")
    };
    locks_hold(&MemoryStore::default(), now).await;
    #[cfg(feature = "redis")]
    if let Some(url) = crate::testing::server("PALISADE_TEST_REDIS") {
        locks_hold(&RedisStore::new(&url).expect("a URL"), now).await;
        crate::testing::ran("locks in Redis");
    }
}

// a flood of names must neither grow the table without bound, nor evict a lock
#[test]
fn a_flood_of_names_pushes_out_no_lock() {
    let store = MemoryStore::default();
    let policy = LockPolicy {
        failures: 2,
        window: Duration::from_secs(60),
        lock: Duration::from_secs(300),
        longest: Duration::from_secs(3600),
    };
    let at = Duration::from_secs(1_000_000);
    let key = |number: u32| u128::from(number).to_be_bytes();
    store.guess_at(key(1), &policy, at);
    store.guess_at(key(1), &policy, at);
    for number in 2..300_000 {
        store.guess_at(key(number), &policy, at);
    }
    assert!(matches!(
        store.guess_at(key(1), &policy, at),
        LockState::Locked(_)
    ));
}
