//! What the HTML parser sees in a script: nothing but its end tag, and comments that can hide that.

use crate::context::Fault;

/// Text of a script type that browsers do not run: it must end where it is meant to.
pub(super) fn markup(rest: &str, character: char) -> Result<usize, Fault> {
    let after = &rest[character.len_utf8()..];
    if character == '<'
        && (after.is_empty()
            || after == "/"
            || (after.starts_with('/') && is_prefix(after, "/script")))
    {
        return Err(Fault::new(
            "a value here could complete an end tag",
            "close the tag before the value",
        ));
    }
    if rest.starts_with("<!--") {
        return Err(Fault::new(
            "a comment here can keep the script from ending",
            "remove the comment",
        ));
    }
    Ok(character.len_utf8())
}

/// Whether the HTML parser could take this `<` for the beginning of `</script`, `<!--` or `<script`, now or completed by what follows.
pub(super) fn looks_like_markup(rest: &str) -> bool {
    rest.starts_with('<')
        && matches!(
            rest.as_bytes().get(1),
            None | Some(b'/' | b'!' | b's' | b'S')
        )
}

/// Whether one begins with the other, in any case.
fn is_prefix(rest: &str, markup: &str) -> bool {
    rest.bytes()
        .zip(markup.bytes())
        .all(|(one, two)| one.eq_ignore_ascii_case(&two))
}

/// Whether an end tag of the element stands here.
pub(in crate::context) fn is_end_tag(rest: &str, element: &str) -> bool {
    let Some(after) = rest.strip_prefix("</") else {
        return false;
    };
    let after_name = after.as_bytes().get(element.len());
    after.len() >= element.len()
        && is_prefix(after, element)
        && after_name.is_some_and(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'))
}

/// The first end tag that begins in a text; `after` is what stands behind the text.
pub(in crate::context) fn find_end_tag(text: &str, element: &str, after: &str) -> Option<usize> {
    text.match_indices("</").map(|(at, _)| at).find(|&at| {
        let is_cut = text.len() - at == element.len() + 2;
        is_end_tag(&text[at..], element)
            || (is_cut
                && is_end_tag(
                    &format!("{}{}", &text[at..], after.get(..1).unwrap_or_default()),
                    element,
                ))
    })
}
