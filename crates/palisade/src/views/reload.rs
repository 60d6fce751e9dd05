//! Pages of debug builds that reload themselves when a file has changed.

use super::RequestContext;
#[cfg(debug_assertions)]
use http::Method;

/// URL of the state that pages ask for.
pub(crate) const RELOAD: &str = "/palisade/reload";

/// The page with a script that reloads it when the state changes: a template, a static file, or the
/// program. Not a page that answers a form, which would be sent again.
#[cfg(debug_assertions)]
pub(super) fn with_reload(context: &RequestContext, page: String) -> String {
    let at = page.rfind("</body>");
    let Some(at) = at.filter(|_| context.site().development.reloads) else {
        return page;
    };
    if context.method() != Method::GET {
        return page;
    }
    let (before, after) = page.split_at(at);
    let nonce = context.nonce();
    format!("{before}<script nonce=\"{nonce}\">{SCRIPT}</script>{after}")
}

#[cfg(not(debug_assertions))]
pub(super) fn with_reload(_: &RequestContext, page: String) -> String {
    page
}

#[cfg(debug_assertions)]
const SCRIPT: &str = "(() => { let seen; const ask = async () => { try { \
    const state = await (await fetch(\"/palisade/reload\")).text(); \
    if (seen && state !== seen) location.reload(); seen = state; } catch {} \
    setTimeout(ask, 500); }; ask(); })();";
