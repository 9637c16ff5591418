//! XML into a small tree, as a .NET reader would see it.

use quick_xml::NsReader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;

const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
const DEPTH_MAX: usize = 32;
const NODES_MAX: usize = 1_000_000;

/// An element with its text, white space included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) nil: bool,
    pub(crate) text: String,
    pub(crate) children: Vec<Self>,
}

/// Reads one document in UTF-16LE with a byte order mark, or in UTF-8.
pub(crate) fn parse(bytes: &[u8]) -> Result<Node, String> {
    let (text, encoding) = decode(bytes)?;
    let mut reader = NsReader::from_str(&text);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Node> = Vec::new();
    let mut root = None;
    let mut nodes = 0;
    loop {
        let (namespace, event) = reader
            .read_resolved_event()
            .map_err(|error| error.to_string())?;
        let namespace = match namespace {
            ResolveResult::Bound(namespace) => namespace.0.to_owned(),
            ResolveResult::Unbound => String::new(),
            ResolveResult::Unknown(prefix) => {
                return Err(format!("the prefix '{prefix}' is not declared"));
            }
        };
        match event {
            Event::Decl(declaration) => match declaration.encoding() {
                None => {}
                Some(Ok(declared)) if declared.eq_ignore_ascii_case(encoding) => {}
                Some(_) => return Err("the declared encoding is not the file's".to_owned()),
            },
            Event::Start(start) => {
                nodes += 1;
                if open.len() >= DEPTH_MAX || nodes > NODES_MAX {
                    return Err("the document is too large".to_owned());
                }
                if root.is_some() {
                    return Err("there are multiple root elements".to_owned());
                }
                let nil = is_nil(&reader, &start)?;
                open.push(Node {
                    namespace,
                    name: start.local_name().as_ref().to_owned(),
                    nil,
                    ..Node::default()
                });
            }
            Event::End(_) => {
                let Some(node) = open.pop() else {
                    return Err("an element ends that did not begin".to_owned());
                };
                match open.last_mut() {
                    Some(parent) => parent.children.push(node),
                    None => root = Some(node),
                }
            }
            Event::Text(text) => append(&mut open, &text.xml10_content())?,
            Event::CData(text) => append(&mut open, &text.xml10_content())?,
            Event::GeneralRef(reference) => append(&mut open, &resolved(&reference)?)?,
            Event::DocType(_) => return Err("for security reasons DTD is prohibited".to_owned()),
            Event::Comment(_) | Event::PI(_) | Event::Empty(_) => {}
            Event::Eof => break,
        }
    }
    if open.is_empty() {
        root.ok_or_else(|| "root element is missing".to_owned())
    } else {
        Err("the document ends inside an element".to_owned())
    }
}

fn append(open: &mut [Node], text: &str) -> Result<(), String> {
    match open.last_mut() {
        Some(node) => node.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err("data at the root level is invalid".to_owned()),
    }
    Ok(())
}

/// The text that a reference stands for.
fn resolved(reference: &BytesRef<'_>) -> Result<String, String> {
    let character = reference
        .resolve_char_ref()
        .map_err(|error| error.to_string())?;
    let name = reference.xml10_content();
    match (character, resolve_predefined_entity(&name)) {
        (Some(character), _) => Ok(character.to_string()),
        (None, Some(text)) => Ok(text.to_owned()),
        (None, None) => Err(format!("the entity '{name}' is not declared")),
    }
}

fn is_nil(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Result<bool, String> {
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let (namespace, name) = reader.resolver().resolve_attribute(attribute.key);
        if matches!(namespace, ResolveResult::Bound(namespace) if namespace.0 == INSTANCE)
            && name.as_ref() == "nil"
        {
            return Ok(matches!(attribute.value.as_ref(), "true" | "1"));
        }
    }
    Ok(false)
}

fn decode(bytes: &[u8]) -> Result<(String, &'static str), String> {
    if let Some(units) = bytes.strip_prefix(&[0xFF, 0xFE]) {
        let text = utf16le(units).ok_or_else(|| "the text is not UTF-16".to_owned())?;
        return Ok((text, "utf-16"));
    }
    let bytes = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok((text.to_owned(), "utf-8")),
        Err(_) => Err("the text is neither UTF-16 with a byte order mark nor UTF-8".to_owned()),
    }
}

/// Text of UTF-16LE without its byte order mark; `None` when it is none.
pub(crate) fn utf16le(bytes: &[u8]) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    char::decode_utf16(pairs.iter().map(|pair| u16::from_le_bytes(*pair)))
        .collect::<Result<String, _>>()
        .ok()
}
