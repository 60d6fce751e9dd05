use crate::views::{Error, ErrorKind, Result};
use roxmltree::{Document, ParsingOptions};

/// Longest document, in bytes.
const MOST_BYTES: usize = 1024 * 1024;
/// Most elements, attributes and texts.
const MOST_NODES: u32 = 100_000;

/// An XML document without a document type: entities of its own, and those of other files (XXE), do
/// not exist (ASVS 1.5.1).
///
/// ```
/// use palisade::formats::read_xml;
/// let feed = read_xml("<feed><title>News</title></feed>").unwrap();
/// assert_eq!(feed.root_element().tag_name().name(), "feed");
/// assert!(read_xml("<!DOCTYPE feed [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><feed>&x;</feed>").is_err());
/// ```
///
/// # Errors
/// 400 for anything else, and for more than 1 MiB or 100,000 nodes.
pub fn read_xml(text: &str) -> Result<Document<'_>> {
    let refused = |why: String| {
        Error::new(
            ErrorKind::BadRequest,
            format!("The XML cannot be read: {why}."),
        )
    };
    if text.len() > MOST_BYTES {
        return Err(refused("it is longer than 1 MiB".into()));
    }
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: MOST_NODES,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).map_err(|error| refused(error.to_string()))
}
