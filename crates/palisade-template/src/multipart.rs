//! Forms with files: `enctype="multipart/form-data"` for each that has a field of files, so that no
//! author forgets it.

/// Begin of the CSRF token, directly behind the start tag of its form.
const TOKEN: &str = "<input type=\"hidden\" name=\"csrfmiddlewaretoken\"";
const FILE: &str = "type=\"file\"";
const ENCODING: &str = " enctype=\"multipart/form-data\"";

/// The page with the encoding of its forms with files. A form that states one keeps it.
pub(crate) fn encode_forms(mut page: String) -> String {
    let mut from = 0;
    while let Some(found) = page[from..].find(FILE) {
        let at = from + found;
        from = at + FILE.len();
        if let Some(end) = tag_end_of_form(&page, at) {
            page.insert_str(end, ENCODING);
            from += ENCODING.len();
        }
    }
    page
}

/// Where the attributes of the form around an input end, if it has a token and no encoding.
fn tag_end_of_form(page: &str, input: usize) -> Option<usize> {
    let before = &page[..input];
    let is_input = before[before.rfind('<')?..].starts_with("<input ");
    let token = before.rfind(TOKEN).filter(|_| is_input)?;
    let is_closed = before[token..].contains("</form");
    let start = before[..token].rfind("<form").filter(|_| !is_closed)?;
    let tag = before[start..token].strip_suffix('>')?;
    let has_encoding = tag.to_ascii_lowercase().contains("enctype");
    (!has_encoding).then_some(token - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(attributes: &str, fields: &str) -> String {
        format!("<form method=\"post\"{attributes}>{TOKEN} value=\"t\">{fields}</form>")
    }

    const INPUT: &str = "<input type=\"file\" name=\"shot\">";

    #[test]
    fn only_forms_with_files_are_multipart() {
        let plain = form("", "<input name=\"q\">");
        let with_file = form("", INPUT);
        let encoded = form(ENCODING, INPUT);
        let page = format!("{plain}{with_file}{plain}{with_file}");
        let expected = format!("{plain}{encoded}{plain}{encoded}");
        assert_eq!(encode_forms(page), expected);
        assert_eq!(encode_forms(encoded.clone()), encoded, "it has one already");
    }

    #[test]
    fn two_files_make_one_encoding() {
        let two = form("", &[INPUT, INPUT].concat());
        assert_eq!(encode_forms(two).matches(ENCODING).count(), 1);
    }

    #[test]
    fn other_pages_stay_as_they_are() {
        let pages = [
            format!("<form>{INPUT}</form>"),
            format!("{}{INPUT}", form("", "")),
            form("", "<p>type=\"file\"</p>"),
            FILE.to_owned(),
            String::new(),
        ];
        for page in pages {
            assert_eq!(encode_forms(page.clone()), page);
        }
    }
}
