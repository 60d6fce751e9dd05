//! Values that were refused when a page was rendered, and the hook that is told of them.

use std::sync::Arc;

/// Called when a value is refused.
pub(crate) type Hook = Arc<dyn Fn(&Blocked<'_>) + Send + Sync>;

/// A value that was refused where it was to be printed; a placeholder such as
/// `about:invalid#blocked` is printed instead. The value itself is not included: it may be
/// anything.
#[derive(Debug, Clone, Copy)]
pub struct Blocked<'a> {
    /// Name of the template.
    pub template: &'a str,
    /// Line, from 1.
    pub line: usize,
    /// The expression as it is written.
    pub expression: &'a str,
    /// The context in words.
    pub context: &'a str,
}
