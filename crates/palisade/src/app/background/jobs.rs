use crate::app::Site;
use crate::db::Tx;
use crate::tasks::{Background, JobId, JobKind, JobQueue, JobRun, JobStatus, NewJob, QueuedJob};
use crate::views::{Error, RequestContext, Result};
use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// Work that a handler queues and that runs after the response, such as an export. Its fields are
/// its arguments; they are stored encrypted.
///
/// A job whose transaction is committed runs, even if the process is killed. It can run more than
/// once, if an instance is killed or loses the database while it runs: write its effects so that
/// they can be repeated, or use [`JobRun::id`] as an idempotency key.
///
/// ```
/// use palisade::prelude::*;
/// use palisade::tasks::{JobId, JobRun};
/// use std::sync::Arc;
///
/// #[derive(palisade::serde::Serialize, palisade::serde::Deserialize)]
/// #[serde(crate = "palisade::serde")]
/// struct Export {
///     user_id: i32,
/// }
///
/// impl Job for Export {
///     const NAME: &'static str = "export";
///
///     async fn run(self, site: Arc<Site>, run: JobRun) -> Result<()> {
///         for part in 1..=10 {
///             // write a part
///             run.progress(part, 10).await?;
///         }
///         Ok(())
///     }
/// }
///
/// async fn begin(user: User, db: Db, jobs: Jobs) -> Result<Response> {
///     let export = Export { user_id: user.id };
///     let id = db.write(async |tx| jobs.enqueue(tx, &export).await).await?;
///     Ok(redirect_to(format!("/exports/{id}")))
/// }
///
/// async fn show(page: Page, jobs: Jobs, Path(id): Path<JobId>) -> Result<Response> {
///     let status = jobs.status(&id).await?.or_404()?;
///     page.render("export.html", context! { percent => status.percent() }).await
/// }
///
/// App::new().job::<Export>().routes(
///     Routes::new()
///         .route("/exports", signed_in().post(begin))
///         .route("/exports/{id}", signed_in().get(show)),
/// );
/// ```
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// Its name in the queue. A new name loses the jobs that are queued under the old one.
    const NAME: &'static str;

    /// After so many tries it has failed.
    const MAX_TRIES: u16 = 5;

    /// Runs it. After an error it is retried, with back-off from a minute up to an hour.
    fn run(self, site: Arc<Site>, run: JobRun) -> impl Future<Output = Result<()>> + Send;
}

/// A declared job.
pub(super) fn kind_of<J: Job>() -> JobKind<Site> {
    JobKind {
        name: J::NAME,
        max_tries: J::MAX_TRIES,
        run: |arguments, site, run| {
            Box::pin(async move {
                // without serde's message, which may quote an argument
                let job: J = serde_json::from_slice(&arguments)
                    .map_err(|_| Error::bug("its arguments are not those that the job has now"))?;
                job.run(site, run).await
            })
        },
    }
}

/// The queue of a site's declared jobs.
pub(in crate::app) fn jobs_of(queue: &JobQueue, declared: &Background<Site>) -> Jobs {
    Jobs {
        queue: queue.clone(),
        known: declared.jobs.iter().map(|job| job.name).collect(),
    }
}

/// The queue of jobs, as extractor of handlers and as [`Site::jobs`].
#[derive(Clone)]
pub struct Jobs {
    queue: JobQueue,
    known: Arc<[&'static str]>,
}

impl Jobs {
    /// Queues a job as part of a transaction: it runs after the commit, and not after a rollback.
    ///
    /// # Errors
    /// When it cannot be stored, and for a job that was not declared with
    /// [`App::job`](crate::app::App::job).
    pub async fn enqueue<J: Job>(&self, tx: &Tx, job: &J) -> Result<JobId> {
        self.enqueue_after(tx, job, Duration::ZERO).await
    }

    /// The same, to run no earlier than after this time.
    ///
    /// # Errors
    /// As [`Jobs::enqueue`].
    pub async fn enqueue_after<J: Job>(&self, tx: &Tx, job: &J, after: Duration) -> Result<JobId> {
        let name = J::NAME;
        if !self.known.contains(&name) {
            return Err(Error::bug(format!(
                "the job {name:?} is not declared: add it with App::job"
            )));
        }
        let arguments = serde_json::to_vec(job)?;
        let job = NewJob {
            name,
            arguments,
            after,
        };
        Ok(self.queue.put(tx, job).await?)
    }

    /// State and progress of a job; `None` a day after it was done.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn status(&self, id: &JobId) -> Result<Option<JobStatus>> {
        Ok(self.queue.status(id).await?)
    }

    /// Makes a failed or waiting job due now. `false` if no such job exists.
    pub(crate) async fn retry(&self, id: &JobId) -> Result<bool> {
        Ok(self.queue.retry(id).await?)
    }

    /// Deletes a job that does not run. `false` if no such job exists.
    pub(crate) async fn delete(&self, id: &JobId) -> Result<bool> {
        Ok(self.queue.delete(id).await?)
    }

    /// The jobs that are pending or have failed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self) -> Result<Vec<QueuedJob>> {
        Ok(self.queue.list().await?)
    }
}

impl<S: Sync> FromRequestParts<S> for Jobs {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let context = RequestContext::from_request_parts(parts, state).await?;
        let jobs = context.site().services.get::<Self>().cloned();
        jobs.ok_or_else(|| Error::bug("there is no job queue: routes must be served by App"))
    }
}
