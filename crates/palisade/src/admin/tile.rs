//! Numbers and plots of the first page.

use crate::db::Db;
use crate::permissions::{Actor, Scoped, Verb};
use crate::views::Result;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use futures_util::future::BoxFuture;
use palisade_template::{Value, context};
use sea_orm::sea_query::IntoCondition;
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect, QueryTrait};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A number of rows on the first page of the admin, with the rows that its reader may see.
///
/// ```
/// # mod ticket {
/// #     use palisade::entity::*;
/// #     use palisade::prelude::*;
/// #     #[sea_orm::model]
/// #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "ticket")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub status: String, pub opened_at: DateTimeUtc }
/// #     impl ActiveModelBehavior for ActiveModel {}
/// #     impl Scoped for Entity {
/// #         fn rows(actor: &Actor, _: Verb) -> Rows<Self> { Rows::none().or("staff", actor.is_staff()) }
/// #     }
/// # }
/// use palisade::admin::Tile;
/// use palisade::entity::*;
/// use palisade::prelude::*;
///
/// Admin::new()
///     .tile(Tile::count::<ticket::Entity>("Open tickets", || ticket::Column::Status.eq("open")))
///     .tile(Tile::per_day::<ticket::Entity>("Opened", ticket::Column::OpenedAt));
/// ```
pub struct Tile {
    title: &'static str,
    load: Arc<dyn Load>,
}

/// Loads the value of a tile.
trait Load: Send + Sync {
    fn load<'a>(&'a self, actor: &'a Actor, look: Look<'a>) -> BoxFuture<'a, Result<Value>>;
}

/// The moment and the database of a first page.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) db: &'a Db,
    pub(crate) now: DateTime<Utc>,
    pub(crate) zone: Tz,
    pub(crate) most: Duration,
}

/// Days of a plot.
const DAYS: i64 = 30;
/// Most rows that a tile counts.
const MOST_COUNTED: u64 = 10_000;

impl Tile {
    /// The number of rows that meet a condition.
    pub fn count<E: Scoped>(
        title: &'static str,
        condition: impl Fn() -> sea_orm::sea_query::Expr + Send + Sync + 'static,
    ) -> Self {
        let load = Arc::new(Count::<E> {
            condition: Box::new(condition),
            entity: std::marker::PhantomData,
        });
        Self { title, load }
    }

    /// The number of rows per day of the last thirty days, as a small plot.
    pub fn per_day<E: Scoped>(title: &'static str, column: E::Column) -> Self {
        let load = Arc::new(PerDay::<E> { column });
        Self { title, load }
    }

    pub(crate) async fn value(&self, actor: &Actor, look: Look<'_>) -> Result<Value> {
        let shown = self.load.load(actor, look).await?;
        Ok(context! { title => self.title, ..shown })
    }
}

struct Count<E> {
    condition: Box<dyn Fn() -> sea_orm::sea_query::Expr + Send + Sync>,
    entity: std::marker::PhantomData<fn() -> E>,
}

impl<E: Scoped> Load for Count<E> {
    fn load<'a>(&'a self, actor: &'a Actor, look: Look<'a>) -> BoxFuture<'a, Result<Value>> {
        Box::pin(async move {
            let rows = actor
                .find::<E>(Verb::View)
                .filter((self.condition)().into_condition());
            let rows = rows
                .select_only()
                .expr_as(sea_orm::sea_query::Expr::Constant(1.into()), "n");
            let rows = rows.limit(MOST_COUNTED + 1).into_query();
            let count = super::count::capped(look.db, rows, look.most).await?;
            let text = match count > MOST_COUNTED {
                true => format!("more than {MOST_COUNTED}"),
                false => count.to_string(),
            };
            Ok(context! { number => text })
        })
    }
}

struct PerDay<E: Scoped> {
    column: E::Column,
}

impl<E: Scoped> Load for PerDay<E> {
    fn load<'a>(&'a self, actor: &'a Actor, look: Look<'a>) -> BoxFuture<'a, Result<Value>> {
        Box::pin(async move {
            let since = look.now - TimeDelta::days(DAYS);
            let rows = actor.find::<E>(Verb::View).filter(self.column.gte(since));
            let rows = rows
                .select_only()
                .column_as(self.column, "at")
                .limit(MOST_COUNTED)
                .into_query();
            let rows = look.db.query_within(&rows, look.most).await?;
            let mut days: BTreeMap<NaiveDate, u32> = BTreeMap::new();
            for row in &rows {
                let at: DateTime<Utc> = row.try_get("", "at")?;
                *days
                    .entry(at.with_timezone(&look.zone).date_naive())
                    .or_default() += 1;
            }
            Ok(plot(&days, look.now.with_timezone(&look.zone).date_naive()))
        })
    }
}

/// Bars of a plot, from the oldest day to today: position and height in units of the picture.
fn plot(days: &BTreeMap<NaiveDate, u32>, today: NaiveDate) -> Value {
    let most = days.values().copied().max().unwrap_or(1).max(1);
    let mut total = 0;
    let bars: Vec<Value> = (0..DAYS)
        .map(|index| {
            let day = today - TimeDelta::days(DAYS - 1 - index);
            let count = days.get(&day).copied().unwrap_or_default();
            total += count;
            let height = count * PLOT_HEIGHT / most;
            context! { x => index * 6, y => PLOT_HEIGHT - height, height, day => day.to_string(), count }
        })
        .collect();
    context! { number => total.to_string(), bars, width => DAYS * 6, height => PLOT_HEIGHT }
}

const PLOT_HEIGHT: u32 = 40;
