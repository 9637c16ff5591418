//! Records of a data contract: members in ordinal order, absent, null and empty kept apart.

use super::error::XmlError;
use super::xml::Element;

/// The state of a member of a record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Member<T> {
    /// The element is not there: the reader of the package takes its default.
    #[default]
    Absent,
    /// The element is there and null: `<X i:nil="true" />`.
    Nil,
    /// The element is there with a value, which can be empty: `<X />`.
    Value(T),
}

impl<T> Member<T> {
    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Nil => None,
        }
    }
}

impl<T> From<T> for Member<T> {
    fn from(value: T) -> Self {
        Self::Value(value)
    }
}

impl From<&str> for Member<String> {
    fn from(text: &str) -> Self {
        Self::Value(text.to_owned())
    }
}

/// What a member can hold.
pub(super) trait Content: Sized {
    fn read(element: &Element) -> Result<Self, XmlError>;
    fn write(&self, element: Element) -> Element;
}

fn leaf(element: &Element) -> Result<String, XmlError> {
    match element.elements().next() {
        None => Ok(element.text()),
        Some(child) => Err(XmlError::Unexpected {
            element: child.name().to_owned(),
        }),
    }
}

impl Content for String {
    fn read(element: &Element) -> Result<Self, XmlError> {
        leaf(element)
    }

    fn write(&self, element: Element) -> Element {
        element.with_text(self)
    }
}

impl Content for bool {
    fn read(element: &Element) -> Result<Self, XmlError> {
        match leaf(element)?.as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(XmlError::Value {
                element: element.name().to_owned(),
            }),
        }
    }

    fn write(&self, element: Element) -> Element {
        element.with_text(if *self { "true" } else { "false" })
    }
}

impl Content for i32 {
    fn read(element: &Element) -> Result<Self, XmlError> {
        let text = leaf(element)?;
        text.parse()
            .ok()
            .filter(|number: &Self| number.to_string() == text)
            .ok_or_else(|| XmlError::Value {
                element: element.name().to_owned(),
            })
    }

    fn write(&self, element: Element) -> Element {
        element.with_text(self.to_string())
    }
}

/// Content that this crate passes on without looking into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opaque(pub Element);

impl Content for Opaque {
    fn read(element: &Element) -> Result<Self, XmlError> {
        Ok(Self(element.clone()))
    }

    fn write(&self, _element: Element) -> Element {
        self.0.clone()
    }
}

/// A record that is the item of a list.
pub(super) trait Item: Sized {
    const NAME: &'static str;
    fn read_item(element: &Element) -> Result<Self, XmlError>;
    fn write_item(&self) -> Element;
}

impl<T: Item> Content for Vec<T> {
    fn read(element: &Element) -> Result<Self, XmlError> {
        refuse_text(element)?;
        element
            .elements()
            .map(|child| {
                if child.local_name() == T::NAME && child.namespace() == element.namespace() {
                    T::read_item(child)
                } else {
                    Err(XmlError::Unexpected {
                        element: child.name().to_owned(),
                    })
                }
            })
            .collect()
    }

    fn write(&self, mut element: Element) -> Element {
        for item in self {
            element.push(item.write_item());
        }
        element
    }
}

/// Pretty-printed documents have white space between members; anything else is no record.
pub(super) fn refuse_text(element: &Element) -> Result<(), XmlError> {
    if element.text().trim().is_empty() {
        Ok(())
    } else {
        Err(XmlError::Unexpected {
            element: element.name().to_owned(),
        })
    }
}

pub(super) fn read_member<T: Content>(element: &Element) -> Result<Member<T>, XmlError> {
    if element.has_other_attributes() {
        return Err(XmlError::Unexpected {
            element: element.name().to_owned(),
        });
    }
    if element.is_nil() {
        Ok(Member::Nil)
    } else {
        T::read(element).map(Member::Value)
    }
}

pub(super) fn write_member<T: Content>(name: &str, member: &Member<T>) -> Option<Element> {
    match member {
        Member::Absent => None,
        Member::Nil => Some(Element::new(name).with_nil()),
        Member::Value(value) => Some(value.write(Element::new(name))),
    }
}

/// Checks that the children of `element` are of its namespace and in strictly ascending ordinal
/// order: the data contract serializer skips a member that is out of order without a word.
pub(super) fn check_members(element: &Element) -> Result<(), XmlError> {
    refuse_text(element)?;
    let mut last: Option<&str> = None;
    for child in element.elements() {
        if child.namespace() != element.namespace() {
            return Err(XmlError::Unexpected {
                element: child.name().to_owned(),
            });
        }
        if last.is_some_and(|last| last >= child.local_name()) {
            return Err(XmlError::MemberOrder {
                element: child.name().to_owned(),
            });
        }
        last = Some(child.local_name());
    }
    Ok(())
}

/// Appends known and unknown members to `element`, merged in ordinal order.
pub(super) fn push_members(
    mut element: Element,
    known: Vec<Option<Element>>,
    unknown: &[Element],
) -> Element {
    let mut members: Vec<Element> = known
        .into_iter()
        .flatten()
        .chain(unknown.iter().cloned())
        .collect();
    members.sort_by(|a, b| a.local_name().cmp(b.local_name()));
    for member in members {
        element.push(member);
    }
    element
}

/// Defines a record: a struct whose fields are [`Member`]s, with reading and writing.
macro_rules! record {
    (
        $(#[$doc:meta])*
        pub struct $record:ident as $element:literal {
            $( $(#[$field_doc:meta])* $field:ident: $content:ty = $name:literal, )*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct $record {
            $( $(#[$field_doc])* pub $field: $crate::dixf::record::Member<$content>, )*
            /// Members that this crate does not know. They are written back in their place.
            pub unknown: Vec<$crate::dixf::xml::Element>,
        }

        impl $record {
            /// Name of the element.
            pub const ELEMENT: &'static str = $element;

            fn from_element(
                element: &$crate::dixf::xml::Element,
            ) -> Result<Self, $crate::dixf::error::XmlError> {
                $crate::dixf::record::check_members(element)?;
                let mut record = Self::default();
                for child in element.elements() {
                    match child.local_name() {
                        $( $name => record.$field = $crate::dixf::record::read_member(child)?, )*
                        _ => record.unknown.push(child.clone()),
                    }
                }
                Ok(record)
            }

            fn fill(&self, element: $crate::dixf::xml::Element) -> $crate::dixf::xml::Element {
                let known = vec![
                    $( $crate::dixf::record::write_member($name, &self.$field), )*
                ];
                $crate::dixf::record::push_members(element, known, &self.unknown)
            }
        }
    };
}

/// Adds reading and writing of whole documents to a record.
macro_rules! document {
    ($record:ident) => {
        impl $record {
            /// Reads a document.
            ///
            /// # Errors
            /// Refuses what [`Element::parse`](crate::dixf::xml::Element::parse) refuses, another
            /// root, members out of ordinal order or twice, and values of the wrong type.
            pub fn parse(
                bytes: &[u8],
                limits: &$crate::dixf::xml::XmlLimits,
            ) -> Result<Self, $crate::dixf::error::XmlError> {
                let root = $crate::dixf::xml::Element::parse(bytes, limits)?;
                if root.local_name() != Self::ELEMENT
                    || root.namespace() != $crate::dixf::xml::PACKAGE_NAMESPACE
                {
                    return Err($crate::dixf::error::XmlError::Unexpected {
                        element: root.name().to_owned(),
                    });
                }
                Self::from_element(&root)
            }

            /// Writes the document as UTF-16LE with byte order mark, on one line.
            ///
            /// # Errors
            /// Refuses characters that XML 1.0 cannot carry.
            pub fn to_bytes(&self) -> Result<Vec<u8>, $crate::dixf::error::XmlError> {
                self.fill($crate::dixf::xml::Element::root(Self::ELEMENT))
                    .to_utf16()
            }
        }
    };
}

/// Makes a record usable in lists.
macro_rules! list_item {
    ($record:ident) => {
        impl $crate::dixf::record::Item for $record {
            const NAME: &'static str = Self::ELEMENT;

            fn read_item(
                element: &$crate::dixf::xml::Element,
            ) -> Result<Self, $crate::dixf::error::XmlError> {
                Self::from_element(element)
            }

            fn write_item(&self) -> $crate::dixf::xml::Element {
                self.fill($crate::dixf::xml::Element::new(Self::ELEMENT))
            }
        }
    };
}

pub(super) use {document, list_item, record};
