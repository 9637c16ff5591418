//! Names of entities, and the paths below them.

/// Longest name of an entity, in characters.
const NAME_CHARS_MAX: usize = 260;

/// A queue, or a topic with a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entity {
    /// Queue or topic: where messages are sent.
    pub(super) name: String,
    pub(super) subscription: Option<String>,
    pub(super) dead_letters: bool,
}

impl Entity {
    pub(super) fn new(name: &str, subscription: Option<&str>, dead_letters: bool) -> Option<Self> {
        let is_good = is_name(name) && subscription.is_none_or(is_name);
        is_good.then(|| Self {
            name: name.to_owned(),
            subscription: subscription.map(str::to_owned),
            dead_letters,
        })
    }

    /// Where messages come from, without the queue of dead letters.
    pub(super) fn main_path(&self) -> String {
        match &self.subscription {
            Some(subscription) => format!("{}/Subscriptions/{subscription}", self.name),
            None => self.name.clone(),
        }
    }

    /// Where messages come from.
    pub(super) fn path(&self) -> String {
        let path = self.main_path();
        if self.dead_letters {
            format!("{path}/$DeadLetterQueue")
        } else {
            path
        }
    }
}

fn is_name(name: &str) -> bool {
    let legal = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | '~');
    let is_part = |part: &str| !part.is_empty() && part != "." && part != "..";
    name.chars().count() <= NAME_CHARS_MAX
        && name.chars().all(legal)
        && name.split('/').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_service() {
        let queue = Entity::new("orders", None, true).unwrap();
        assert_eq!(queue.path(), "orders/$DeadLetterQueue");
        let topic = Entity::new("sales/orders", Some("erp"), false).unwrap();
        assert_eq!(topic.path(), "sales/orders/Subscriptions/erp");
        for name in ["", "a//b", "../x", "a?b", "a b", "$cbs"] {
            assert_eq!(Entity::new(name, None, false), None, "{name}");
        }
    }
}
