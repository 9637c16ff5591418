use std::fmt;

/// Place of a value in a JSON document, as a JSON pointer (RFC 6901).
///
/// Pointers are made for errors and logs. So that a hostile member name cannot flood or forge a
/// line, a name is cut after [`Pointer::NAME_CHARS_MAX`] characters and control characters in it
/// are replaced.
///
/// ```
/// use omnisync_core::json::Pointer;
///
/// let mut pointer = Pointer::root().child("lines").index(3);
/// pointer.push("unit/price");
/// assert_eq!(pointer.to_string(), "/lines/3/unit~1price");
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer {
    text: String,
}

impl Pointer {
    /// Largest number of characters of a member name that are shown.
    pub const NAME_CHARS_MAX: usize = 64;

    /// The whole document.
    pub const fn root() -> Self {
        Self {
            text: String::new(),
        }
    }

    /// The member `name` of the object at this place.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let mut child = self.clone();
        child.push(name);
        child
    }

    /// The element `index` (from 0) of the array at this place.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut child = self.clone();
        child.push_index(index);
        child
    }

    /// Moves down to the member `name`.
    pub fn push(&mut self, name: &str) {
        self.text.push('/');
        for (position, c) in name.chars().enumerate() {
            if position == Self::NAME_CHARS_MAX {
                self.text.push('…');
                break;
            }
            match c {
                '~' => self.text.push_str("~0"),
                '/' => self.text.push_str("~1"),
                c if breaks_a_line(c) => self.text.push(char::REPLACEMENT_CHARACTER),
                c => self.text.push(c),
            }
        }
    }

    /// Moves down to the element `index` (from 0).
    pub fn push_index(&mut self, index: usize) {
        self.text.push('/');
        self.text.push_str(&index.to_string());
    }

    /// Moves up to the container. False at the root, which has none.
    pub fn pop(&mut self) -> bool {
        let Some(end) = self.text.rfind('/') else {
            return false;
        };
        self.text.truncate(end);
        true
    }

    /// True for the whole document.
    pub fn is_root(&self) -> bool {
        self.text.is_empty()
    }

    /// The pointer as text; empty at the root.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// This place, seen from a document in which the current one sits at `outer`.
    #[must_use]
    pub fn within(mut self, outer: &Self) -> Self {
        self.text.insert_str(0, &outer.text);
        self
    }
}

fn breaks_a_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}
