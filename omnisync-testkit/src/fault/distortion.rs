/// What a network, a client library or a busy server makes of a call.
///
/// `dice` chooses among the ways in which it can happen; any value does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Distortion {
    /// A part takes effect: some items of a write, or none of them with the acknowledgement of
    /// one lost; an upload that breaks off; results of which some are missing.
    Partial {
        /// Which part.
        dice: u32,
    },
    /// The call takes effect and is then repeated by a client library that did not hear of it.
    /// The caller gets the second answer, which may well be a refusal of what it did itself.
    Repeated,
    /// Items come in another order.
    Shuffled {
        /// Which order.
        dice: u32,
    },
    /// One item comes twice.
    Doubled {
        /// Which item.
        dice: u32,
    },
    /// The answer is old: a status from before the end.
    Stale,
    /// The answer is damaged: bytes that do not fit their hash, a word that nobody knows, a
    /// record that belongs to nobody.
    Damaged {
        /// In which way.
        dice: u32,
    },
}

/// `items` in an order that `dice` determines.
pub(super) fn shuffle<T>(items: &mut [T], dice: u32) {
    let mut rng = crate::rng::SplitMix64::new(dice.into());
    for last in (1..items.len()).rev() {
        let bound = u32::try_from(last + 1).unwrap_or(u32::MAX);
        let other = usize::try_from(rng.below(bound)).unwrap_or_default();
        items.swap(last, other);
    }
}

/// One of `count` positions, by `dice`.
pub(super) fn position(dice: u32, count: usize) -> usize {
    usize::try_from(dice)
        .unwrap_or_default()
        .checked_rem(count)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_keeps_the_items_and_depends_on_the_dice_alone() {
        let order = |dice| {
            let mut items: Vec<u8> = (0..8).collect();
            shuffle(&mut items, dice);
            items
        };
        assert_eq!(order(3), order(3));
        assert!((0..9).any(|dice| order(dice) != order(3)));
        let mut sorted = order(5);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..8).collect::<Vec<u8>>());
        assert_eq!((position(7, 3), position(7, 0)), (1, 0));
    }
}
