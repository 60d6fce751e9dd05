//! Conversion of an HTML document to plain text.

use html2text::render::{RichAnnotation, RichDecorator, TaggedLine};
use html2text::{Element, Handle, RcDom, config};

/// Width in columns: less than the longest allowed line, and more than any link.
const COLUMNS: usize = 900;

/// The title of a document, and its text.
pub(super) fn read(html: &str) -> Result<(String, String), String> {
    let config = config::rich().no_table_borders();
    let document = config
        .parse_html(html.as_bytes())
        .map_err(|error| error.to_string())?;
    let body = text(&config, &document)?;
    let title = find(&document.document, "title").ok_or(NO_TITLE)?;
    document.document.children.replace(title.children.take());
    let title = text(&config, &document)?.replace('\n', " ");
    match title.is_empty() {
        true => Err(NO_TITLE.into()),
        false => Ok((title, format!("{body}\n"))),
    }
}

const NO_TITLE: &str = "the HTML has no title, which becomes the subject of the mail";

fn find(node: &Handle, element: &str) -> Option<Handle> {
    match &node.data {
        Element { name, .. } if &*name.local == element => Some(node.clone()),
        _ => node
            .children
            .borrow()
            .iter()
            .find_map(|child| find(child, element)),
    }
}

fn text(config: &config::Config<RichDecorator>, document: &RcDom) -> Result<String, String> {
    let lines = config
        .dom_to_render_tree(document)
        .and_then(|tree| config.render_to_lines(tree, COLUMNS));
    let lines: Vec<String> = lines
        .map_err(|error| error.to_string())?
        .iter()
        .map(line)
        .collect();
    Ok(lines.join("\n").trim().to_owned())
}

/// One line, with the URL of each link after its text, unless the text is the URL. It is delimited as
/// RFC 3986 (appendix C) recommends, so that punctuation after the link is no part of it.
fn line(line: &TaggedLine<Vec<RichAnnotation>>) -> String {
    let mut text = String::new();
    for part in line.tagged_strings() {
        text.push_str(&part.s);
        let target = part.tag.iter().find_map(|tag| match tag {
            RichAnnotation::Link(target) => Some(target),
            _ => None,
        });
        if let Some(target) = target.filter(|target| part.s.trim() != target.as_str()) {
            text.push_str(" <");
            text.push_str(target);
            text.push('>');
        }
    }
    text.truncate(text.trim_end().len());
    text
}
