//! A registered resource without its type.

use super::action::ActionInfo;
use super::{Column, Operation, Resource};
use crate::db::{Direction, Reference};
use crate::forms::RowColumn;
use crate::permissions::{Actor, DeclaredPermission, Key, PermissionName, Table, TableOf, Verb};
use sea_orm::sea_query::{SelectStatement, Value};
use sea_orm::{ActiveModelBehavior, DbBackend, EntityName, EntityTrait, IntoActiveModel};
use std::str::FromStr;
use tokio::sync::OnceCell;

/// A resource, as the pages use it.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// Django's names of the entity: app and model.
    pub(crate) app: &'static str,
    pub(crate) model: &'static str,
    pub(crate) columns: Vec<Column>,
    pub(crate) order: Option<Order>,
    pub(crate) children: Vec<&'static str>,
    pub(crate) actions: Vec<ActionInfo>,
    pub(crate) table: Box<dyn Table>,
    pub(crate) backend: DbBackend,
    /// Foreign keys to its table.
    pub(crate) references: OnceCell<Vec<Reference>>,
    permissions: [&'static str; Operation::ALL.len()],
    without: Vec<Operation>,
    two_person: Vec<Operation>,
}

/// The order of a list: a column, and its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) column: usize,
    pub(crate) direction: Direction,
}

impl Entry {
    pub(crate) fn of<R: Resource>() -> Self
    where
        Key<R::Entity>: FromStr + Into<Value>,
        <R::Entity as EntityTrait>::Model:
            IntoActiveModel<<R::Entity as EntityTrait>::ActiveModel> + Send,
        <R::Entity as EntityTrait>::ActiveModel: ActiveModelBehavior + Send + Sync + 'static,
    {
        let described = R::describe();
        let changes = described.actions.iter().map(|action| action.change.clone());
        let table = TableOf::<R::Entity> {
            fill: described.fill,
            guard: described.guard,
            actions: changes.collect(),
            ..TableOf::new(R::TITLE)
        };
        let (app, model) = names(R::Entity::default().table_name());
        let order = described
            .order
            .and_then(|order| order_of(&described.columns, order));
        Self {
            name: R::NAME,
            title: R::TITLE,
            app,
            model,
            order,
            children: described.children,
            actions: described.actions.iter().map(|action| action.info).collect(),
            columns: described.columns,
            table: Box::new(table),
            backend: DbBackend::Sqlite,
            references: OnceCell::new(),
            // once for each resource of the program
            permissions: Operation::ALL
                .map(|operation| &*format!("{app}.{}_{model}", operation.word()).leak()),
            without: described.without,
            two_person: described.two_person,
        }
    }

    /// The rows that the actor may use for a verb, with these columns and the key.
    pub(crate) fn select(&self, actor: &Actor, verb: Verb, columns: &[&Column]) -> SelectStatement {
        let columns: Vec<&RowColumn> = columns.iter().map(|column| &***column).collect();
        self.table.select(actor, verb, &columns)
    }

    /// The same on a database.
    pub(crate) fn on(self, backend: DbBackend) -> Self {
        Self { backend, ..self }
    }

    /// The permission of an operation.
    pub(crate) fn permission(&self, operation: Operation) -> &'static str {
        self.permissions[operation as usize]
    }

    /// The permissions, as their rows are created.
    pub(crate) fn declared(&self) -> impl Iterator<Item = DeclaredPermission> {
        let all = Operation::ALL
            .into_iter()
            .filter(|operation| self.has(*operation));
        all.map(|operation| DeclaredPermission {
            name: self.permission(operation),
            label: &*format!("Can {} {}", operation.word(), self.one()).leak(),
            table: Some(self.table.name()),
        })
    }

    /// A row of it in a sentence, such as `ticket`.
    pub(crate) fn one(&self) -> String {
        self.model.replace('_', " ")
    }

    /// Whether the resource has an operation at all.
    pub(crate) fn has(&self, operation: Operation) -> bool {
        !self.without.contains(&operation)
    }

    pub(crate) fn needs_two(&self, operation: Operation) -> bool {
        self.two_person.contains(&operation)
    }

    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The action of this name, with its number.
    pub(crate) fn action(&self, name: &str) -> Option<(usize, ActionInfo)> {
        let mut all = self.actions.iter().enumerate();
        let found = all.find(|(_, action)| action.name == name);
        found.map(|(number, action)| (number, *action))
    }

    /// The column that names a row: the first text of the list.
    pub(crate) fn label_column(&self) -> Option<&Column> {
        let is_text = |column: &&Column| column.kind == super::column::Kind::Text;
        let mut listed = self.columns.iter().filter(|column| column.is_listed);
        listed.find(|column| is_text(column) && column.view.is_none())
    }

    /// The column with the key of a row of another table.
    pub(crate) fn reference_to(&self, table: &str) -> Option<&Column> {
        let is_it = |column: &&Column| column.target() == Some(table);
        self.columns.iter().find(is_it)
    }

    /// The permissions of single columns and actions.
    pub(crate) fn further_permissions(&self) -> impl Iterator<Item = PermissionName> {
        let columns = self
            .columns
            .iter()
            .flat_map(|column| [column.view, column.change]);
        let actions = self.actions.iter().map(|action| action.permission);
        columns.chain(actions).flatten()
    }
}

/// App and model of a table, as Django names it: `helpdesk_ticket` is the model `ticket` of the app
/// `helpdesk`.
fn names(table: &'static str) -> (&'static str, &'static str) {
    match table.split_once('_') {
        Some((app, model)) if !app.is_empty() && !model.is_empty() => (app, model),
        _ => (table, table),
    }
}

fn order_of(columns: &[Column], order: &str) -> Option<Order> {
    let (name, direction) = match order.strip_prefix('-') {
        Some(name) => (name, Direction::Descending),
        None => (order, Direction::Ascending),
    };
    let column = columns.iter().position(|column| column.name == name)?;
    Some(Order { column, direction })
}
