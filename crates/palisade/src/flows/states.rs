use crate::db::Tx;
use crate::forms::Choice;
use crate::permissions::{RowAccess, Scoped};
use crate::views::{Error, Result};
use sea_orm::{ActiveModelTrait, ColumnTrait};
use std::fmt::Debug;

/// The states of a row, and who may move it where: a choice whose code is stored in a column.
///
/// ```
/// use palisade::flows::{StateReport, States};
/// use palisade::prelude::*;
///
/// #[derive(Choice, Clone, Copy, PartialEq, Debug)]
/// enum Order { Cart, Paid, Sent, Cancelled }
///
/// #[derive(Clone, Copy)]
/// enum Side { Customer, Shop }
///
/// impl States for Order {
///     type Side = Side;
///     const SIDES: &'static [Side] = &[Side::Customer, Side::Shop];
///
///     fn next(self, side: Side) -> &'static [Self] {
///         match (self, side) {
///             (Self::Cart, Side::Customer) => &[Self::Paid, Self::Cancelled],
///             (Self::Paid, Side::Shop) => &[Self::Sent, Self::Cancelled],
///             _ => &[],
///         }
///     }
/// }
///
/// // in a test of the site: every state is reached, and the flow ends where it is meant to
/// StateReport::of(Order::Cart).assert_ends_in(&[Order::Sent, Order::Cancelled]);
/// ```
pub trait States: Choice + Debug {
    /// Who moves: a customer, staff, the site itself.
    type Side: Copy + 'static;

    /// All sides.
    const SIDES: &'static [Self::Side];

    /// The states to which a side may move a row.
    fn next(self, side: Self::Side) -> &'static [Self];
}

/// All transitions of a declaration, examined.
#[derive(Debug, Clone, PartialEq)]
pub struct StateReport<S> {
    /// States that no transition reaches from the first one.
    pub unreachable: Vec<S>,
    /// States that are never left.
    pub ends: Vec<S>,
    /// States with a transition to themselves, which would have no effect and still be recorded.
    pub loops: Vec<S>,
}

impl<S: States> StateReport<S> {
    /// Examines a declaration, from the state of a new row.
    pub fn of(first: S) -> Self {
        let all = |state: S| S::SIDES.iter().flat_map(move |side| state.next(*side));
        let mut reached = vec![first];
        let mut at = 0;
        while let Some(state) = reached.get(at).copied() {
            at += 1;
            for next in all(state) {
                if !reached.contains(next) {
                    reached.push(*next);
                }
            }
        }
        let those = |is_one: &dyn Fn(S) -> bool| {
            let states = S::ALL.iter().copied();
            states.filter(|state| is_one(*state)).collect()
        };
        Self {
            unreachable: those(&|state| !reached.contains(&state)),
            ends: those(&|state| all(state).next().is_none()),
            loops: those(&|state| all(state).any(|next| *next == state)),
        }
    }

    /// Requires that every state is reached, that none moves to itself, and that the flow ends in
    /// these states only.
    ///
    /// # Panics
    /// When one of these does not hold, with the states.
    pub fn assert_ends_in(&self, ends: &[S]) {
        let Self {
            unreachable, loops, ..
        } = self;
        assert!(
            unreachable.is_empty(),
            "no transition reaches {unreachable:?}"
        );
        assert!(
            loops.is_empty(),
            "these states move to themselves: {loops:?}"
        );
        let found = &self.ends;
        let is_same = found.len() == ends.len() && found.iter().all(|end| ends.contains(end));
        assert!(is_same, "the flow ends in {found:?}, and not in {ends:?}");
    }
}

impl<E: Scoped> RowAccess<'_, E> {
    /// Moves a row from one state to another, if the declaration allows this side to do so and the
    /// row is still in the first state: one statement compares and sets. `change` has further
    /// columns to set.
    ///
    /// ```
    /// # use palisade::flows::States;
    /// # use palisade::prelude::*;
    /// # use palisade::permissions::Scoped;
    /// # async fn example<E: Scoped, S: States>(order: Allowed<E, Change>, db: Db, status: E::Column,
    /// #     from: S, to: S, side: S::Side, change: E::ActiveModel) -> Result<()> {
    /// db.write(async |tx| order.access().advance(tx, (status, side), (from, to), change).await).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// 409 for a transition that is not declared, and for a row that was moved meanwhile; as
    /// [`RowAccess::change`].
    pub async fn advance<S: States>(
        self,
        tx: &Tx,
        (column, side): (E::Column, S::Side),
        (from, to): (S, S),
        mut change: E::ActiveModel,
    ) -> Result<()> {
        if !from.next(side).contains(&to) {
            let said = format!("This cannot become \u{201c}{}\u{201d} now.", to.label());
            return Err(Error::conflict(said));
        }
        change.set(column, to.code().into());
        self.only_if(column.eq(from.code()))
            .change(tx, change)
            .await
    }
}
