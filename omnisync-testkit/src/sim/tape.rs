//! Tapes: every choice of a run, in a form that can be kept and replayed.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

/// Choices in a tape at most: more than any run makes.
const CHOICES_MAX: usize = 1 << 20;

/// Every choice that a run made, in order. 0 is always the benign choice, so a tape that is
/// shorter or has more zeros tells a simpler story.
///
/// Its text is one word of URL-safe base64.
///
/// ```
/// use omnisync_testkit::sim::Tape;
///
/// let tape = Tape::from(vec![0, 7, 300]);
/// let text = tape.to_string();
/// assert_eq!(text.parse::<Tape>().unwrap(), tape);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Tape(Vec<u32>);

/// A text is no tape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a tape: it has to be copied whole, one word of base64 as it was printed")]
pub struct NotATape;

impl Tape {
    /// The choices.
    pub fn choices(&self) -> &[u32] {
        &self.0
    }

    /// How many choices differ from the benign one.
    pub fn disturbances(&self) -> usize {
        self.0.iter().filter(|choice| **choice != 0).count()
    }
}

impl From<Vec<u32>> for Tape {
    fn from(choices: Vec<u32>) -> Self {
        Self(choices)
    }
}

impl From<Tape> for Vec<u32> {
    fn from(tape: Tape) -> Self {
        tape.0
    }
}

impl fmt::Display for Tape {
    /// Most choices are 0, so the text tells how many of them come before each other choice.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::new();
        let mut zeros = 0;
        for choice in &self.0 {
            if *choice == 0 {
                zeros += 1;
            } else {
                push(std::mem::take(&mut zeros), &mut bytes);
                push(*choice, &mut bytes);
            }
        }
        if zeros > 0 {
            push(zeros, &mut bytes);
        }
        // Even the empty tape is a word.
        write!(f, "t{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// Seven bits a byte, the lowest first; all but the last have the high bit.
fn push(number: u32, bytes: &mut Vec<u8>) {
    let mut rest = number;
    while rest >= 0x80 {
        bytes.push(0x80 | (rest & 0x7f).to_le_bytes()[0]);
        rest >>= 7;
    }
    bytes.push(rest.to_le_bytes()[0]);
}

fn numbers(bytes: &[u8]) -> Result<Vec<u32>, NotATape> {
    let mut numbers = Vec::new();
    let (mut number, mut shift) = (0_u32, 0_u32);
    for byte in bytes {
        let bits = u32::from(byte & 0x7f);
        let shifted = bits.checked_shl(shift).ok_or(NotATape)?;
        if shifted >> shift != bits {
            return Err(NotATape);
        }
        number |= shifted;
        if byte & 0x80 == 0 {
            numbers.push(number);
            (number, shift) = (0, 0);
        } else {
            shift += 7;
        }
    }
    if shift == 0 {
        Ok(numbers)
    } else {
        Err(NotATape)
    }
}

impl FromStr for Tape {
    type Err = NotATape;

    fn from_str(text: &str) -> Result<Self, NotATape> {
        let text = text.trim().strip_prefix('t').ok_or(NotATape)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotATape)?;
        let mut choices = Vec::new();
        for (index, number) in numbers(&bytes)?.into_iter().enumerate() {
            if index.is_multiple_of(2) {
                let zeros = usize::try_from(number).map_err(|_| NotATape)?;
                if choices.len() + zeros > CHOICES_MAX {
                    return Err(NotATape);
                }
                choices.resize(choices.len() + zeros, 0);
            } else {
                choices.push(number);
            }
        }
        Ok(Self(choices))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_survives_the_text() {
        for choices in [
            vec![],
            vec![0],
            vec![0, 127, 128, 16_383, 16_384, u32::MAX],
            (0..2_000).collect(),
        ] {
            let tape = Tape::from(choices);
            assert_eq!(tape.to_string().parse(), Ok(tape));
        }
    }

    #[test]
    fn what_is_no_tape_is_refused() {
        for text in ["", "AA", "t!", "tgA", "t_____w", "tA A", "t_____w8"] {
            assert_eq!(text.parse::<Tape>(), Err(NotATape), "{text}");
        }
    }
}
