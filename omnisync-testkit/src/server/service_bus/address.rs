//! Addresses: what a client may call a place in a namespace.

use super::queue::Side;

/// A place in a namespace. Names are in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    /// Where tokens are put.
    Tokens,
    /// Where an entity is managed.
    Management(Place),
    /// An entity.
    Entity(Place),
}

/// An entity, or the dead-letter queue of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) entity: String,
    pub(crate) side: Side,
}

impl Node {
    pub(crate) fn parse(address: &str) -> Self {
        let path = path_of(address);
        if path == "$cbs" {
            return Self::Tokens;
        }
        match path.strip_suffix("/$management") {
            Some(entity) => Self::Management(Place::parse(entity)),
            None => Self::Entity(Place::parse(&path)),
        }
    }
}

impl Place {
    pub(crate) fn parse(address: &str) -> Self {
        let path = path_of(address);
        match path.strip_suffix("/$deadletterqueue") {
            Some(entity) => Self {
                entity: entity.to_owned(),
                side: Side::Dead,
            },
            None => Self {
                entity: path,
                side: Side::Live,
            },
        }
    }
}

/// The path of an address in lower case, without the host.
pub(crate) fn path_of(address: &str) -> String {
    let path = match address.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => address,
    };
    path.trim_matches('/').to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_goes_by_many_names() {
        let dead = Place {
            entity: "topic/subscriptions/sub".to_owned(),
            side: Side::Dead,
        };
        for address in [
            "topic/Subscriptions/sub/$DeadLetterQueue",
            "/topic/subscriptions/SUB/$deadletterqueue",
            "amqps://127.0.0.1:5671/topic/Subscriptions/sub/$DeadLetterQueue/",
        ] {
            assert_eq!(
                Node::parse(address),
                Node::Entity(dead.clone()),
                "{address}"
            );
        }
        assert_eq!(Node::parse("$cbs"), Node::Tokens);
        assert_eq!(
            Node::parse("topic/subscriptions/sub/$deadletterqueue/$management"),
            Node::Management(dead)
        );
    }
}
