/// A hash of everything that happened in a run, in order: the same on every machine and in every
/// build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TraceHash(u64);

impl TraceHash {
    pub(super) const fn new() -> Self {
        Self(0x6f6d_6e69_7379_6e63)
    }

    pub(super) const fn number(&mut self, number: u64) {
        // One round of the Fx hash: quick, and good enough to tell two runs apart.
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    pub(super) fn text(&mut self, text: &str) {
        let (words, rest) = text.as_bytes().as_chunks::<8>();
        for word in words {
            self.number(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        self.number(u64::from_le_bytes(last));
        self.number(u64::try_from(text.len()).unwrap_or(u64::MAX));
    }

    pub(super) const fn value(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(texts: &[&str]) -> u64 {
        let mut hash = TraceHash::new();
        for text in texts {
            hash.text(text);
        }
        hash.value()
    }

    #[test]
    fn order_and_borders_count() {
        assert_ne!(hash(&["a", "b"]), hash(&["b", "a"]));
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_ne!(hash(&["12345678"]), hash(&["12345678", ""]));
    }

    #[test]
    fn the_value_is_fixed_for_good() {
        assert_eq!(
            format!("{:016x}", hash(&["effectively once"])),
            "cb85b891530b0b01"
        );
    }
}
