use std::panic::AssertUnwindSafe;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Threads for jobs that take CPU time and memory. They are few and always the same, so that a flood
/// of jobs holds the memory of so many jobs, and not one buffer per thread of the runtime. They start
/// with the first job.
pub(crate) struct Workers {
    name: &'static str,
    count: usize,
    priority: Priority,
    jobs: OnceLock<Sender<Job>>,
}

/// Priority of the threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Priority {
    /// That of requests.
    Normal,
    /// After requests: the CPU time that they leave.
    Low,
}

type Job = Box<dyn FnOnce() + Send>;

/// Steps of niceness below requests: a tenth of their CPU time, where both want it.
const NICENESS: i32 = 10;

impl Workers {
    pub(crate) fn new(name: &'static str, count: usize, priority: Priority) -> Self {
        Self {
            name,
            count: count.max(1),
            priority,
            jobs: OnceLock::new(),
        }
    }

    /// Runs a job, after those that are queued. `None` if it panicked. A job whose caller has left
    /// before its turn is dropped.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let job = Box::new(move || {
            if !sender.is_closed() {
                drop(sender.send(job()));
            }
        });
        self.jobs.get_or_init(|| self.start()).send(job).ok()?;
        receiver.await.ok()
    }

    fn start(&self) -> Sender<Job> {
        let (sender, receiver) = channel::<Job>();
        let receiver = Arc::new(Mutex::new(receiver));
        let priority = self.priority;
        for number in 0..self.count {
            let receiver = receiver.clone();
            let thread = std::thread::Builder::new().name(format!("{}-{number}", self.name));
            // a thread that cannot be spawned is not fatal: the others do the work
            let _ = thread.spawn(move || work(&receiver, priority));
        }
        sender
    }
}

/// Worker loop, until the pool is dropped.
fn work(jobs: &Mutex<Receiver<Job>>, priority: Priority) {
    if priority == Priority::Low {
        // of this thread alone, on Linux; refused by no system for a lower priority
        let _ = rustix::process::nice(NICENESS);
    }
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            // a panic fails its own job only
            Ok(job) => drop(std::panic::catch_unwind(AssertUnwindSafe(job))),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::thread::{ThreadId, current};

    #[tokio::test]
    async fn jobs_run_on_few_threads_of_low_priority_and_survive_a_panic() {
        let workers = Workers::new("test", 2, Priority::Low);
        let (mut threads, before) = (HashSet::<ThreadId>::new(), rustix::process::nice(0));
        for _ in 0..20 {
            let job = || (current().id(), rustix::process::nice(0));
            let ran = workers.run(job).await;
            assert!(ran.is_some());
            let (thread, priority) = ran.unwrap_or_else(|| (current().id(), Ok(0)));
            assert_eq!(priority, Ok(NICENESS));
            threads.insert(thread);
            let failed: Option<()> = workers.run(|| panic!("on purpose")).await;
            assert!(failed.is_none());
        }
        assert!(threads.len() <= 2 && !threads.contains(&current().id()));
        assert_eq!(rustix::process::nice(0), before);
    }
}
