//! A small element tree with the XML style of data packages.
//!
//! Exported packages are UTF-16LE with a byte order mark, on one line, without declaration or
//! trailing line feed; white space inside text is content. The reader also takes UTF-8.

use std::sync::Arc;

use super::error::XmlError;
use super::unicode;
use super::xml_read::TreeBuilder;

/// Namespace of every element of a manifest and a package header.
pub const PACKAGE_NAMESPACE: &str = "http://schemas.microsoft.com/dynamics/2015/01/DataManagement";
/// Namespace of the attribute `nil`.
pub const INSTANCE_NAMESPACE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// What an XML document may cost to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XmlLimits {
    /// Largest document, in encoded bytes. Default 16 MiB: the largest manifest seen, with 92
    /// entities, has about a tenth of that.
    pub bytes_max: usize,
    /// Deepest nesting of elements. Default 32; packages need 7.
    pub depth_max: usize,
    /// Largest number of elements. Default 500,000.
    pub elements_max: usize,
}

impl Default for XmlLimits {
    fn default() -> Self {
        Self {
            bytes_max: 16 << 20,
            depth_max: 32,
            elements_max: 500_000,
        }
    }
}

/// An attribute as written, with its namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Name with its prefix.
    pub name: String,
    /// Value without escapes.
    pub value: String,
    pub(super) namespace: Arc<str>,
}

/// A child of an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// An element.
    Element(Element),
    /// Text without escapes.
    Text(String),
}

/// An element with everything in it, in document order. Comments and processing instructions are
/// not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    pub(super) name: String,
    pub(super) namespace: Arc<str>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) nodes: Vec<Node>,
}

impl Element {
    /// An empty element of the package namespace.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            namespace: Arc::from(PACKAGE_NAMESPACE),
            attributes: Vec::new(),
            nodes: Vec::new(),
        }
    }

    /// An empty root: it declares `xmlns:i` first, then the package namespace as the default.
    pub fn root(name: impl Into<String>) -> Self {
        let attribute = |name: &str, value: &str| Attribute {
            name: name.to_owned(),
            value: value.to_owned(),
            namespace: Arc::from(XMLNS_NAMESPACE),
        };
        let mut root = Self::new(name);
        root.attributes
            .push(attribute("xmlns:i", INSTANCE_NAMESPACE));
        root.attributes.push(attribute("xmlns", PACKAGE_NAMESPACE));
        root
    }

    /// Marks the element as null: `i:nil="true"`.
    #[must_use]
    pub fn with_nil(mut self) -> Self {
        self.attributes.push(Attribute {
            name: "i:nil".to_owned(),
            value: "true".to_owned(),
            namespace: Arc::from(INSTANCE_NAMESPACE),
        });
        self
    }

    /// Appends text. Empty text leaves the element empty.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        let text = text.into();
        if !text.is_empty() {
            self.nodes.push(Node::Text(text));
        }
        self
    }

    /// Appends a child.
    pub fn push(&mut self, child: Self) {
        self.nodes.push(Node::Element(child));
    }

    /// Name with its prefix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name without prefix.
    pub fn local_name(&self) -> &str {
        local_name(&self.name)
    }

    /// Namespace, empty when the element has none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Attributes in document order, namespace declarations included.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// Children in document order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Child elements in document order.
    pub fn elements(&self) -> impl Iterator<Item = &Self> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// All text directly inside the element, white space included.
    pub fn text(&self) -> String {
        self.nodes
            .iter()
            .filter_map(|node| match node {
                Node::Text(text) => Some(text.as_str()),
                Node::Element(_) => None,
            })
            .collect()
    }

    /// True when the element carries `nil="true"` of the instance namespace.
    pub fn is_nil(&self) -> bool {
        self.attributes
            .iter()
            .any(|attribute| attribute.is_nil() && matches!(attribute.value.as_str(), "true" | "1"))
    }

    /// True when the element carries anything but namespace declarations and `nil`.
    pub(super) fn has_other_attributes(&self) -> bool {
        self.attributes
            .iter()
            .any(|attribute| !attribute.is_nil() && &*attribute.namespace != XMLNS_NAMESPACE)
    }

    /// Reads a document: UTF-16LE with byte order mark, or UTF-8 with or without it.
    ///
    /// Line ends are normalised to LF as XML demands; other white space is kept.
    ///
    /// # Errors
    /// Refuses documents over `limits`, other encodings, document type declarations, unknown
    /// entities, characters that XML 1.0 forbids, and anything that is not well-formed.
    pub fn parse(bytes: &[u8], limits: &XmlLimits) -> Result<Self, XmlError> {
        if bytes.len() > limits.bytes_max {
            return Err(XmlError::TooLarge {
                bytes_max: limits.bytes_max,
            });
        }
        let text = unicode::decode(bytes).ok_or(XmlError::Encoding)?;
        TreeBuilder::new(limits).run(&text)
    }

    /// Writes the document as UTF-16LE with byte order mark, on one line.
    ///
    /// # Errors
    /// Refuses characters that XML 1.0 cannot carry, and malformed names.
    pub fn to_utf16(&self) -> Result<Vec<u8>, XmlError> {
        let mut text = String::new();
        self.write(&mut text)?;
        Ok(unicode::encode_utf16le(&text))
    }

    fn write(&self, out: &mut String) -> Result<(), XmlError> {
        check_name(&self.name)?;
        out.push('<');
        out.push_str(&self.name);
        for attribute in &self.attributes {
            check_name(&attribute.name)?;
            out.push(' ');
            out.push_str(&attribute.name);
            out.push_str("=\"");
            escape(&attribute.value, true, out)?;
            out.push('"');
        }
        if self.nodes.is_empty() {
            out.push_str(" />");
            return Ok(());
        }
        out.push('>');
        for node in &self.nodes {
            match node {
                Node::Element(element) => element.write(out)?,
                Node::Text(text) => escape(text, false, out)?,
            }
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
        Ok(())
    }
}

impl Attribute {
    fn is_nil(&self) -> bool {
        &*self.namespace == INSTANCE_NAMESPACE && local_name(&self.name) == "nil"
    }
}

pub(super) const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";

fn local_name(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, local)| local)
}

pub(super) fn check_name(name: &str) -> Result<(), XmlError> {
    let mut chars = name.chars();
    let starts_well = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    if starts_well && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':')) {
        Ok(())
    } else {
        Err(XmlError::Name)
    }
}

/// Characters of XML 1.0.
pub(super) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

fn escape(text: &str, in_attribute: bool, out: &mut String) -> Result<(), XmlError> {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if in_attribute => out.push_str("&quot;"),
            '\t' if in_attribute => out.push_str("&#x9;"),
            '\n' if in_attribute => out.push_str("&#xA;"),
            // A bare CR would be read back as LF.
            '\r' => out.push_str("&#xD;"),
            c if is_xml_char(c) => out.push(c),
            _ => return Err(XmlError::Character),
        }
    }
    Ok(())
}
