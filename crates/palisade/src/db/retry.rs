/// Back-off of a queue after `failures` earlier ones: one minute, two, four, up to an hour.
pub(crate) fn retry_after_secs(failures: i32) -> i64 {
    (60_i64 << failures.clamp(0, 6)).min(3600)
}
