use crate::forms::{Field as FormField, FieldSpec, IntoColumn, PlainColumn, RowColumn, ShowColumn};
use crate::permissions::{Access, Actor};
use sea_orm::EntityTrait;
use std::ops::Deref;

/// How a list is filtered by a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// `status=open`.
    Eq,
    /// `status.in=open,closed`.
    In,
    /// `subject.has=printer`, in any case.
    Has,
    /// `opened_at.from=2026-01-01T00:00:00Z`, with the value itself.
    From,
    /// `opened_at.to=…`, without the value itself.
    To,
}

impl Way {
    pub(crate) const ALL: [Self; 5] = [Self::Eq, Self::In, Self::Has, Self::From, Self::To];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::In => "in",
            Self::Has => "has",
            Self::From => "from",
            Self::To => "to",
        }
    }

    /// The parameter of a URL.
    pub(crate) fn parameter(self, field: &str) -> String {
        match self {
            Self::Eq => field.to_owned(),
            way => format!("{field}.{}", way.word()),
        }
    }
}

/// A field of a resource, made by `#[derive(Resource)]`.
///
/// | Option | Meaning |
/// |---|---|
/// | none | readable for users who may view the row |
/// | `read = rule` | readable for users who satisfy the rule; for others there is no such field: not in rows, filters, orders and documents |
/// | `write`, `write = rule` | writable, for users who may read it and satisfy the rule |
/// | `create`, `create = rule` | the same at creation alone |
pub struct Field {
    row: RowColumn,
    read: Option<Access>,
    write: Option<Access>,
    create: Option<Access>,
    pub(crate) ways: Vec<Way>,
    pub(crate) is_sorted: bool,
    /// The resource whose key it is.
    pub(crate) target: Option<&'static str>,
    /// `"name":`.
    pub(super) json_name: String,
}

impl Deref for Field {
    type Target = RowColumn;

    fn deref(&self) -> &RowColumn {
        &self.row
    }
}

impl Field {
    /// The field of type `F` of a column, whose type is that of the model's field.
    #[doc(hidden)]
    pub fn of<E, F, C>((column, spec): (E::Column, FieldSpec), _: fn(&E::Model) -> &C) -> Self
    where
        E: EntityTrait,
        F: FormField + ShowColumn<C> + IntoColumn<C>,
        C: PlainColumn,
    {
        let json_name = format!("{}:", serde_json::Value::from(spec.name));
        Self {
            row: RowColumn::of::<E, F, C>(column, spec),
            read: None,
            write: None,
            create: None,
            ways: Vec::new(),
            is_sorted: false,
            target: None,
            json_name,
        }
    }

    fn judged(&self, rule: Access) -> Access {
        assert!(
            rule.is_about_rights(),
            "{}: the rule of a field is public(), signed_in(), staff(), can(…) or member_of(…), and not {rule}",
            self.name
        );
        rule
    }

    /// Restricts reading.
    ///
    /// # Panics
    /// For a rule that asks for more than rights.
    #[must_use]
    pub fn read(mut self, rule: Access) -> Self {
        self.read = Some(self.judged(rule));
        self
    }

    /// Allows writing.
    ///
    /// # Panics
    /// For a rule that asks for more than rights.
    #[must_use]
    pub fn write(mut self, rule: Access) -> Self {
        self.write = Some(self.judged(rule));
        self
    }

    /// Allows writing of new rows.
    ///
    /// # Panics
    /// For a rule that asks for more than rights.
    #[must_use]
    pub fn create(mut self, rule: Access) -> Self {
        self.create = Some(self.judged(rule));
        self
    }

    /// Filters by it, in ways of `eq in has from to`.
    #[must_use]
    pub fn filter(mut self, ways: &str) -> Self {
        let is_wanted = |way: &Way| ways.split(' ').any(|word| word == way.word());
        self.ways = Way::ALL.into_iter().filter(is_wanted).collect();
        self
    }

    /// Sorts by it.
    ///
    /// # Panics
    /// For a text of more than 500 characters, which does not fit into a cursor.
    #[must_use]
    pub fn sort(mut self) -> Self {
        let most = self.spec.shape.max_length;
        assert!(
            most <= 500,
            "{}: a text of {most} characters is no order",
            self.name
        );
        self.is_sorted = true;
        self
    }

    /// Loads the row of another resource whose key it is, where a client asks for it.
    #[must_use]
    pub fn expand(mut self, resource: &'static str) -> Self {
        self.target = Some(resource);
        self
    }

    pub(crate) fn is_readable(&self, actor: &Actor) -> bool {
        self.read.as_ref().is_none_or(|rule| rule.holds_for(actor))
    }

    /// Whether all clients that may view a row may read it.
    pub(crate) fn is_open(&self) -> bool {
        self.read.is_none()
    }

    /// Whether a client could write it.
    pub(crate) fn can_be_written(&self, write: Write) -> bool {
        self.write.is_some() || (write == Write::Create && self.create.is_some())
    }

    /// Whether the actor may set it in a new row or in a row that exists.
    pub(crate) fn is_writable(&self, actor: &Actor, write: Write) -> bool {
        let rule = match write {
            Write::Create => self.create.as_ref().or(self.write.as_ref()),
            Write::Change => self.write.as_ref(),
        };
        rule.is_some_and(|rule| rule.holds_for(actor)) && self.is_readable(actor)
    }
}

/// A write of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    Create,
    Change,
}
