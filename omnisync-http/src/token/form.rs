use bytes::Bytes;

use crate::percent;

/// Pairs as `application/x-www-form-urlencoded`, which is also the form of a query.
pub(super) fn encode(pairs: &[(&str, &str)]) -> String {
    let encoded = |text| percent::encoded(text, percent::is_unreserved);
    let pairs = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// The same as the body of a request.
pub(super) fn body(pairs: &[(&str, &str)]) -> Bytes {
    Bytes::from(encode(pairs))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(pairs in proptest::collection::vec((".*", ".*"), 0..5)) {
            let borrowed: Vec<(&str, &str)> =
                pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let text = encode(&borrowed);
            let read: Vec<(String, String)> =
                url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
            prop_assert_eq!(read, pairs);
        }
    }
}
