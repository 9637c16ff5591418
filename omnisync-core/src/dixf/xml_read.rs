//! Builds an element tree from text.

use std::sync::Arc;

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesDecl, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::error::XmlError;
use super::xml::{Attribute, Element, Node, XMLNS_NAMESPACE, XmlLimits, check_name, is_xml_char};

type Bindings = Vec<(String, Arc<str>)>;

pub(super) struct TreeBuilder<'l> {
    limits: &'l XmlLimits,
    elements: usize,
    /// Open elements, each with the namespace declarations in scope before it.
    open: Vec<(Element, usize)>,
    bindings: Bindings,
    root: Option<Element>,
}

impl<'l> TreeBuilder<'l> {
    pub(super) fn new(limits: &'l XmlLimits) -> Self {
        Self {
            limits,
            elements: 0,
            open: Vec::new(),
            bindings: Bindings::new(),
            root: None,
        }
    }

    pub(super) fn run(mut self, text: &str) -> Result<Element, XmlError> {
        let mut reader = Reader::from_str(text);
        loop {
            let position = reader.buffer_position();
            let malformed = || XmlError::Malformed { position };
            match reader.read_event().map_err(|_| malformed())? {
                Event::Start(start) => self.start(&start, position)?,
                Event::Empty(start) => {
                    self.start(&start, position)?;
                    self.end(position)?;
                }
                Event::End(_) => self.end(position)?,
                Event::Text(part) => self.text(&part.xml10_content(), position)?,
                Event::CData(part) => self.text(&part.xml10_content(), position)?,
                Event::GeneralRef(entity) => {
                    let resolved = match entity.resolve_char_ref().map_err(|_| malformed())? {
                        Some(c) => c.to_string(),
                        None => resolve_predefined_entity(&entity.xml10_content())
                            .ok_or_else(malformed)?
                            .to_owned(),
                    };
                    self.text(&resolved, position)?;
                }
                Event::Decl(declaration) => check_encoding(&declaration)?,
                Event::DocType(_) => return Err(XmlError::DocumentType),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof if self.open.is_empty() => return self.root.ok_or_else(malformed),
                Event::Eof => return Err(malformed()),
            }
        }
    }

    fn start(&mut self, start: &BytesStart<'_>, position: u64) -> Result<(), XmlError> {
        let malformed = || XmlError::Malformed { position };
        self.elements += 1;
        if self.elements > self.limits.elements_max {
            return Err(XmlError::TooManyElements {
                elements_max: self.limits.elements_max,
            });
        }
        if self.open.len() >= self.limits.depth_max {
            return Err(XmlError::TooDeep {
                depth_max: self.limits.depth_max,
            });
        }
        if self.root.is_some() {
            return Err(malformed());
        }
        let scope = self.bindings.len();
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|_| malformed())?;
            let name = attribute.key.into_inner().to_owned();
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|_| malformed())?
                .into_owned();
            if !value.chars().all(is_xml_char) {
                return Err(malformed());
            }
            match name.strip_prefix("xmlns") {
                Some("") => self
                    .bindings
                    .push((String::new(), Arc::from(value.as_str()))),
                Some(prefix) if prefix.starts_with(':') => self.bindings.push((
                    prefix.trim_start_matches(':').to_owned(),
                    Arc::from(value.as_str()),
                )),
                _ => {}
            }
            attributes.push(Attribute {
                name,
                value,
                namespace: Arc::from(""),
            });
        }
        for attribute in &mut attributes {
            attribute.namespace = match attribute.name.split_once(':') {
                Some(("xmlns", _)) => Arc::from(XMLNS_NAMESPACE),
                None if attribute.name == "xmlns" => Arc::from(XMLNS_NAMESPACE),
                Some((prefix, _)) => self.resolve(prefix).ok_or_else(malformed)?,
                None => Arc::from(""),
            };
        }
        let name = start.name().into_inner().to_owned();
        check_name(&name).map_err(|_| malformed())?;
        let namespace = match name.split_once(':') {
            Some((prefix, _)) => self.resolve(prefix).ok_or_else(malformed)?,
            None => self.resolve("").unwrap_or_else(|| Arc::from("")),
        };
        self.open.push((
            Element {
                name,
                namespace,
                attributes,
                nodes: Vec::new(),
            },
            scope,
        ));
        Ok(())
    }

    fn resolve(&self, prefix: &str) -> Option<Arc<str>> {
        if prefix == "xml" {
            return Some(Arc::from("http://www.w3.org/XML/1998/namespace"));
        }
        let bound = self
            .bindings
            .iter()
            .rev()
            .find(|(bound, _)| bound == prefix);
        bound.map(|(_, namespace)| Arc::clone(namespace))
    }

    fn end(&mut self, position: u64) -> Result<(), XmlError> {
        let (element, scope) = self.open.pop().ok_or(XmlError::Malformed { position })?;
        self.bindings.truncate(scope);
        match self.open.last_mut() {
            Some((parent, _)) => parent.nodes.push(Node::Element(element)),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn text(&mut self, part: &str, position: u64) -> Result<(), XmlError> {
        let malformed = XmlError::Malformed { position };
        if !part.chars().all(is_xml_char) {
            return Err(malformed);
        }
        let Some((parent, _)) = self.open.last_mut() else {
            return if part.trim().is_empty() {
                Ok(())
            } else {
                Err(malformed)
            };
        };
        match parent.nodes.last_mut() {
            Some(Node::Text(text)) => text.push_str(part),
            _ if part.is_empty() => {}
            _ => parent.nodes.push(Node::Text(part.to_owned())),
        }
        Ok(())
    }
}

/// The bytes were decoded by their byte order mark; a declaration must not contradict that.
fn check_encoding(declaration: &BytesDecl<'_>) -> Result<(), XmlError> {
    match declaration.encoding() {
        None => Ok(()),
        Some(Ok(name))
            if ["utf-8", "utf-16", "us-ascii"]
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known)) =>
        {
            Ok(())
        }
        Some(_) => Err(XmlError::Encoding),
    }
}
