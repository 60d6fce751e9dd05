//! The engine's syntax tree as the analysis wants it. The only file that knows the engine's node types: a node that a new version adds is a
//! compile error here.

use minijinja::machinery::ast::{self, Call, CallArg, CallType, Expr, Spanned, Stmt};
use minijinja::machinery::{Span, parse};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use std::ops::Range;

/// A statement, with its place in the source in bytes.
pub(crate) enum Node<'s> {
    /// Text that is printed as it stands; it is a slice of the source.
    Text(&'s str),
    Print(Print<'s>),
    If {
        at: Range<usize>,
        then: Vec<Node<'s>>,
        otherwise: Vec<Node<'s>>,
    },
    For {
        at: Range<usize>,
        body: Vec<Node<'s>>,
        otherwise: Vec<Node<'s>>,
    },
    /// `with`: a scope for names, nothing printed.
    Scope(Vec<Node<'s>>),
    /// `set` and `macro` bodies: printed elsewhere, as trusted HTML.
    Apart {
        at: Range<usize>,
        body: Vec<Node<'s>>,
    },
    /// `call` and `filter` blocks: a body whose result is printed here.
    Applied {
        at: Range<usize>,
        what: &'static str,
        body: Vec<Node<'s>>,
    },
    Block {
        at: Range<usize>,
        name: &'s str,
        body: Vec<Node<'s>>,
    },
    Include {
        at: Range<usize>,
        target: Target,
    },
    Import {
        at: Range<usize>,
        target: Target,
        /// It is imported under a name; the parser takes any expression, and the engine only names.
        has_name: bool,
    },
    Extends {
        at: Range<usize>,
        target: Target,
    },
    /// `break` and `continue`.
    Leave {
        at: Range<usize>,
    },
    Autoescape {
        at: Range<usize>,
    },
    /// Something that prints nothing.
    Silent,
}

/// A printed expression.
pub(crate) struct Print<'s> {
    /// From the `{{` to the end of the expression.
    pub(crate) at: Range<usize>,
    pub(crate) kind: PrintKind<'s>,
    /// The outermost filter, if the expression is one filtered value.
    pub(crate) filter: Option<&'s str>,
    /// Something in it is called: a function, a method or a macro.
    pub(crate) has_call: bool,
}

pub(crate) enum PrintKind<'s> {
    Value,
    /// `super()`, `self.block()` and `loop(…)` print by themselves and cannot be filtered.
    Super,
    Block(&'s str),
    Recurse,
}

/// The template that a statement names.
pub(crate) struct Target {
    /// Place of the expression.
    pub(crate) at: Range<usize>,
    /// The names it can have, or none if it is computed.
    pub(crate) names: Option<Vec<String>>,
    /// Whether the source can name another template in place of the expression: it is one name or a list of names.
    pub(crate) shape: Shape,
    pub(crate) may_be_missing: bool,
    /// The outermost filter of a computed name.
    pub(crate) filter: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Name,
    List,
    /// A condition between names, or something computed.
    Other,
}

/// What stands in expressions, wherever they are.
#[derive(Default)]
pub(crate) struct Names<'s> {
    /// Variables, attributes looked up on nothing, and targets of assignments.
    pub(crate) variables: Vec<(&'s str, Range<usize>)>,
    pub(crate) filters: Vec<(&'s str, Range<usize>)>,
    /// `super()` and `self.block()` as part of a larger expression.
    pub(crate) captured_blocks: Vec<(Option<&'s str>, Range<usize>)>,
    /// `loop(…)` as part of a larger expression.
    pub(crate) captured_loops: Vec<Range<usize>>,
    calls: usize,
}

pub(crate) struct Tree<'s> {
    pub(crate) nodes: Vec<Node<'s>>,
    pub(crate) names: Names<'s>,
}

/// Reads a template with the engine's own parser.
pub(crate) fn read<'s>(source: &'s str, name: &'s str) -> Result<Tree<'s>, minijinja::Error> {
    let statement = parse(source, name, syntax())?;
    let mut names = Names::default();
    let nodes = match &statement {
        Stmt::Template(template) => names.nodes(&template.children),
        _ => Vec::new(),
    };
    Ok(Tree { nodes, names })
}

/// The delimiters of Jinja; a line that holds only a statement leaves no empty line.
pub(crate) fn syntax() -> SyntaxConfig {
    SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .expect("the delimiters are the default ones")
}

fn range(span: Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}

impl Print<'_> {
    /// Where the expression begins, behind the `{{` and its sign.
    pub(crate) fn start(&self, source: &str) -> usize {
        self.at.start + 2 + usize::from(source[self.at.start + 2..].starts_with(['-', '+']))
    }
}

impl<'s> Names<'s> {
    fn nodes(&mut self, statements: &[Stmt<'s>]) -> Vec<Node<'s>> {
        statements
            .iter()
            .map(|statement| self.node(statement))
            .collect()
    }

    fn node(&mut self, statement: &Stmt<'s>) -> Node<'s> {
        match statement {
            Stmt::Template(template) => Node::Scope(self.nodes(&template.children)),
            Stmt::EmitRaw(raw) => Node::Text(raw.raw),
            Stmt::EmitExpr(print) => Node::Print(self.print(&print.expr, range(print.span()))),
            Stmt::IfCond(condition) => {
                self.expression(&condition.expr);
                let (then, otherwise) = (
                    self.nodes(&condition.true_body),
                    self.nodes(&condition.false_body),
                );
                Node::If {
                    at: range(condition.span()),
                    then,
                    otherwise,
                }
            }
            Stmt::ForLoop(repeated) => {
                self.expressions(
                    [&repeated.target, &repeated.iter]
                        .into_iter()
                        .chain(&repeated.filter_expr),
                );
                let (body, otherwise) =
                    (self.nodes(&repeated.body), self.nodes(&repeated.else_body));
                Node::For {
                    at: range(repeated.span()),
                    body,
                    otherwise,
                }
            }
            Stmt::WithBlock(scope) => {
                self.expressions(
                    scope
                        .assignments
                        .iter()
                        .flat_map(|(name, value)| [name, value]),
                );
                Node::Scope(self.nodes(&scope.body))
            }
            Stmt::Set(set) => {
                self.expressions([&set.target, &set.expr]);
                Node::Silent
            }
            Stmt::SetBlock(set) => {
                self.expressions([&set.target].into_iter().chain(&set.filter));
                Node::Apart {
                    at: range(set.span()),
                    body: self.nodes(&set.body),
                }
            }
            Stmt::AutoEscape(switch) => Node::Autoescape {
                at: range(switch.span()),
            },
            Stmt::FilterBlock(filtered) => {
                self.expression(&filtered.filter);
                Node::Applied {
                    at: range(filtered.span()),
                    what: "{% filter %}",
                    body: self.nodes(&filtered.body),
                }
            }
            Stmt::Block(block) => Node::Block {
                at: range(block.span()),
                name: block.name,
                body: self.nodes(&block.body),
            },
            Stmt::Import(import) => {
                self.expression(&import.name);
                let has_name = matches!(import.name, Expr::Var(_));
                Node::Import {
                    at: range(import.span()),
                    target: self.target(&import.expr),
                    has_name,
                }
            }
            Stmt::FromImport(import) => {
                self.expressions(
                    import
                        .names
                        .iter()
                        .flat_map(|(name, alias)| [Some(name), alias.as_ref()])
                        .flatten(),
                );
                Node::Import {
                    at: range(import.span()),
                    target: self.target(&import.expr),
                    has_name: true,
                }
            }
            Stmt::Extends(extends) => Node::Extends {
                at: range(extends.span()),
                target: self.target(&extends.name),
            },
            Stmt::Include(include) => Node::Include {
                at: range(include.span()),
                target: Target {
                    may_be_missing: include.ignore_missing,
                    ..self.target(&include.name)
                },
            },
            Stmt::Macro(written) => self.macro_body(written),
            Stmt::CallBlock(called) => {
                self.call(&called.call);
                let body = vec![self.macro_body(&called.macro_decl)];
                Node::Applied {
                    at: range(called.span()),
                    what: "{% call %}",
                    body,
                }
            }
            Stmt::Continue(leave) => Node::Leave {
                at: range(leave.span()),
            },
            Stmt::Break(leave) => Node::Leave {
                at: range(leave.span()),
            },
            Stmt::Do(done) => {
                self.call(&done.call);
                Node::Silent
            }
        }
    }

    fn macro_body(&mut self, written: &Spanned<ast::Macro<'s>>) -> Node<'s> {
        self.variables.push((written.name, range(written.span())));
        self.expressions(written.args.iter().chain(&written.defaults));
        Node::Apart {
            at: range(written.span()),
            body: self.nodes(&written.body),
        }
    }

    fn print(&mut self, expression: &Expr<'s>, at: Range<usize>) -> Print<'s> {
        let calls = self.calls;
        let kind = match expression {
            Expr::Call(call) => direct(call),
            _ => None,
        };
        match (&kind, expression) {
            (None, _) => self.expression(expression),
            (Some(_), Expr::Call(call)) => self.arguments(&call.args),
            (Some(_), _) => {}
        }
        let filter = match expression {
            Expr::Filter(filter) => Some(filter.name),
            _ => None,
        };
        Print {
            at,
            kind: kind.unwrap_or(PrintKind::Value),
            filter,
            has_call: self.calls > calls,
        }
    }

    fn target(&mut self, expression: &Expr<'s>) -> Target {
        self.expression(expression);
        let names = constant_names(expression);
        let shape = match expression {
            Expr::List(_) | Expr::Tuple(_) => Shape::List,
            Expr::Const(_) => Shape::Name,
            _ => Shape::Other,
        };
        let filter = match expression {
            Expr::Filter(filter) => Some(filter.name.to_owned()),
            _ => None,
        };
        Target {
            at: range(expression.span()),
            names,
            shape,
            may_be_missing: false,
            filter,
        }
    }

    fn expressions<'e>(&mut self, expressions: impl IntoIterator<Item = &'e Expr<'s>>)
    where
        's: 'e,
    {
        for expression in expressions {
            self.expression(expression);
        }
    }

    fn expression(&mut self, expression: &Expr<'s>) {
        match expression {
            Expr::Var(variable) => self.variables.push((variable.id, range(variable.span()))),
            Expr::Const(_) => {}
            Expr::Slice(slice) => {
                self.expression(&slice.expr);
                self.expressions(
                    [&slice.start, &slice.stop, &slice.step]
                        .into_iter()
                        .flatten(),
                );
            }
            Expr::UnaryOp(operation) => self.expression(&operation.expr),
            Expr::BinOp(operation) => self.expressions([&operation.left, &operation.right]),
            Expr::Compare(comparison) => {
                self.expressions(
                    [&comparison.expr]
                        .into_iter()
                        .chain(comparison.ops.iter().map(|operand| &operand.expr)),
                );
            }
            Expr::IfExpr(choice) => {
                self.expressions(
                    [&choice.test_expr, &choice.true_expr]
                        .into_iter()
                        .chain(&choice.false_expr),
                );
            }
            Expr::Filter(filter) => {
                self.filters.push((filter.name, range(filter.span())));
                self.expressions(&filter.expr);
                self.arguments(&filter.args);
            }
            Expr::Test(test) => {
                self.expression(&test.expr);
                self.arguments(&test.args);
            }
            Expr::GetAttr(lookup) => self.expression(&lookup.expr),
            Expr::GetItem(lookup) => self.expressions([&lookup.expr, &lookup.subscript_expr]),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => self.expressions(&list.items),
            Expr::Tuple(tuple) => self.expressions(&tuple.items),
            Expr::Map(map) => self.expressions(map.keys.iter().chain(&map.values)),
        }
    }

    fn call(&mut self, call: &Spanned<Call<'s>>) {
        self.calls += 1;
        let at = range(call.span());
        match call.identify_call() {
            CallType::Function("super") => self.captured_blocks.push((None, at)),
            CallType::Function("loop") => self.captured_loops.push(at),
            CallType::Block(name) => self.captured_blocks.push((Some(name), at)),
            CallType::Function(_) | CallType::Method(..) | CallType::Object(_) => {
                self.expression(&call.expr)
            }
        }
        self.arguments(&call.args);
    }

    fn arguments(&mut self, arguments: &[CallArg<'s>]) {
        for argument in arguments {
            match argument {
                CallArg::Pos(value)
                | CallArg::Kwarg(_, value)
                | CallArg::PosSplat(value)
                | CallArg::KwargSplat(value) => {
                    self.expression(value);
                }
            }
        }
    }
}

/// The calls that the engine prints without asking the formatter.
fn direct<'s>(call: &Spanned<Call<'s>>) -> Option<PrintKind<'s>> {
    match call.identify_call() {
        CallType::Function("super") if call.args.is_empty() => Some(PrintKind::Super),
        CallType::Function("loop") if call.args.len() == 1 => Some(PrintKind::Recurse),
        CallType::Block(name) => Some(PrintKind::Block(name)),
        CallType::Function(_) | CallType::Method(..) | CallType::Object(_) => None,
    }
}

/// The names that an expression of constants can have: one, a list to choose from, or the two sides of a condition.
fn constant_names(expression: &Expr<'_>) -> Option<Vec<String>> {
    if let Expr::IfExpr(choice) = expression {
        let mut names = constant_names(&choice.true_expr)?;
        names.extend(constant_names(choice.false_expr.as_ref()?)?);
        return Some(names);
    }
    let value = expression.as_const()?;
    match value.kind() {
        ValueKind::String => Some(vec![value.as_str()?.to_owned()]),
        ValueKind::Seq => value
            .try_iter()
            .ok()?
            .map(|name| name.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    }
}
