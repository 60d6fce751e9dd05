use super::{Error, RequestContext, Result};
use crate::clock::Clock;
use axum::extract::FromRequestParts;
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use http::request::Parts;
use std::ops::Deref;
use std::sync::Arc;

/// The time of the request, by the clock of the site: tests can advance it.
///
/// ```
/// use palisade::prelude::*;
/// async fn year(now: Now) -> String {
///     now.format("%Y").to_string()
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Now {
    time: DateTime<Utc>,
    zone: Tz,
}

impl Now {
    /// The date in the time zone of the site (`site.time_zone`).
    pub fn today(&self) -> NaiveDate {
        self.time.with_timezone(&self.zone).date_naive()
    }
}

impl Deref for Now {
    type Target = DateTime<Utc>;

    fn deref(&self) -> &DateTime<Utc> {
        &self.time
    }
}

/// The clock, among the services of the site.
#[derive(Clone)]
pub(crate) struct SiteClock(pub(crate) Arc<dyn Clock>);

impl<S: Sync> FromRequestParts<S> for Now {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let context = RequestContext::from_request_parts(parts, state).await?;
        let clock = context.site().services.get::<SiteClock>();
        let clock = clock.ok_or_else(|| Error::bug("the site has no clock"))?;
        Ok(Self {
            time: clock.0.now(),
            zone: context.site().time_zone,
        })
    }
}
