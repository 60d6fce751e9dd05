//! Django's settings file. It is parsed and never executed, so values known only at run time are
//! unknown.

use ruff_python_ast::{Expr, ExprCall, Operator, Stmt, UnaryOp};
use ruff_python_parser::parse_module;
use std::collections::BTreeMap;

/// A value, as far as it is known statically.
#[derive(Clone, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
    /// It depends on the environment, a function, or another file.
    Unknown,
}

/// Values of the file, possibly with the secret key: never printed.
#[derive(Default)]
pub(super) struct Settings {
    values: BTreeMap<String, Value>,
    /// Whether the file imports others, whose settings are unknown.
    pub(super) has_imports: bool,
}

/// Whether a statement always runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Branch {
    Always,
    Conditional,
}

impl Settings {
    /// Parses a settings file.
    ///
    /// # Errors
    /// When it is not Python.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let module = parse_module(text).map_err(|error| error.to_string())?;
        let mut settings = Self::default();
        settings.read(&module.syntax().body, Branch::Always);
        Ok(settings)
    }

    /// Statements in order; those in branches may or may not run.
    fn read(&mut self, body: &[Stmt], branch: Branch) {
        for statement in body {
            match statement {
                Stmt::Assign(assign) => assign
                    .targets
                    .iter()
                    .for_each(|target| self.set(target, &assign.value, branch)),
                Stmt::AnnAssign(assign) => {
                    if let Some(value) = &assign.value {
                        self.set(&assign.target, value, branch);
                    }
                }
                Stmt::AugAssign(assign) => {
                    let value = self.sum(&assign.target, assign.op, &assign.value);
                    self.keep(
                        &assign.target,
                        match branch {
                            Branch::Always => value,
                            Branch::Conditional => Value::Unknown,
                        },
                    );
                }
                Stmt::Expr(expression) => self.call(&expression.value, branch),
                Stmt::ImportFrom(import) => {
                    self.has_imports |= import.names.iter().any(|name| name.name.as_str() == "*")
                }
                Stmt::If(branches) => {
                    self.read(&branches.body, Branch::Conditional);
                    branches
                        .elif_else_clauses
                        .iter()
                        .for_each(|clause| self.read(&clause.body, Branch::Conditional));
                }
                Stmt::Try(parts) => {
                    self.read(&parts.body, Branch::Conditional);
                    self.read(&parts.orelse, Branch::Conditional);
                }
                Stmt::With(with) => self.read(&with.body, branch),
                _ => {}
            }
        }
    }

    fn set(&mut self, target: &Expr, value: &Expr, branch: Branch) {
        let value = self.value(value);
        let is_same = |name: &str| self.values.get(name) == Some(&value);
        match target {
            Expr::Name(name) if branch == Branch::Always || is_same(name.id.as_str()) => {
                self.keep(target, value)
            }
            // part of a setting, or one that is set conditionally
            _ => self.keep(target, Value::Unknown),
        }
    }

    fn keep(&mut self, target: &Expr, value: Value) {
        let name = match target {
            Expr::Name(name) => name.id.as_str(),
            Expr::Subscript(part) => return self.keep(&part.value, value),
            Expr::Tuple(parts) => {
                return parts
                    .elts
                    .iter()
                    .for_each(|part| self.keep(part, Value::Unknown));
            }
            _ => return,
        };
        self.values.insert(name.to_owned(), value);
    }

    /// `MIDDLEWARE.insert(…)` and the like change a known value.
    fn call(&mut self, expression: &Expr, branch: Branch) {
        if let Expr::Call(call) = expression
            && let Expr::Attribute(method) = &*call.func
        {
            let added = self
                .append(&method.value, method.attr.as_str(), call)
                .filter(|_| branch == Branch::Always);
            self.keep(&method.value, added.unwrap_or(Value::Unknown));
        }
    }

    fn append(&self, list: &Expr, method: &str, call: &ExprCall) -> Option<Value> {
        let Value::List(mut all) = self.value(list) else {
            return None;
        };
        let argument = |at: usize| {
            call.arguments
                .args
                .get(at)
                .map(|argument| self.value(argument))
        };
        match method {
            "append" => all.push(argument(0)?),
            "insert" => {
                let Some(Value::Int(at)) = argument(0) else {
                    return None;
                };
                let at = usize::try_from(at).ok()?.min(all.len());
                all.insert(at, argument(1)?);
            }
            _ => return None,
        }
        Some(Value::List(all))
    }

    fn sum(&self, left: &Expr, operator: Operator, right: &Expr) -> Value {
        match (operator, self.value(left), self.value(right)) {
            (Operator::Add, Value::List(mut left), Value::List(right)) => {
                left.extend(right);
                Value::List(left)
            }
            (Operator::Add, Value::Text(left), Value::Text(right)) => Value::Text(left + &right),
            (Operator::Add, Value::Int(left), Value::Int(right)) => {
                left.checked_add(right).map_or(Value::Unknown, Value::Int)
            }
            (Operator::Mult, Value::Int(left), Value::Int(right)) => {
                left.checked_mul(right).map_or(Value::Unknown, Value::Int)
            }
            _ => Value::Unknown,
        }
    }

    fn value(&self, expression: &Expr) -> Value {
        let all = |parts: &[Expr]| parts.iter().map(|part| self.value(part)).collect();
        match expression {
            Expr::NoneLiteral(_) => Value::None,
            Expr::BooleanLiteral(literal) => Value::Bool(literal.value),
            Expr::StringLiteral(literal) => Value::Text(literal.value.to_str().to_owned()),
            Expr::NumberLiteral(literal) => literal
                .value
                .as_int()
                .and_then(ruff_python_ast::Int::as_i64)
                .map_or(Value::Unknown, Value::Int),
            Expr::List(list) => Value::List(all(&list.elts)),
            Expr::Tuple(tuple) => Value::List(all(&tuple.elts)),
            Expr::Set(set) => Value::List(all(&set.elts)),
            Expr::Dict(dict) => self.map(dict),
            Expr::Name(name) => self
                .values
                .get(name.id.as_str())
                .cloned()
                .unwrap_or(Value::Unknown),
            Expr::BinOp(sum) => self.sum(&sum.left, sum.op, &sum.right),
            Expr::UnaryOp(not) if not.op == UnaryOp::Not => match self.value(&not.operand) {
                Value::Bool(value) => Value::Bool(!value),
                _ => Value::Unknown,
            },
            _ => Value::Unknown,
        }
    }

    fn map(&self, dict: &ruff_python_ast::ExprDict) -> Value {
        let entry =
            |item: &ruff_python_ast::DictItem| match item.key.as_ref().map(|key| self.value(key)) {
                Some(Value::Text(key)) => Some((key, self.value(&item.value))),
                _ => None,
            };
        Value::Map(dict.items.iter().filter_map(entry).collect())
    }

    /// The value of a setting; `None` if the file does not set it.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }
}
