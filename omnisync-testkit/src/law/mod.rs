//! The laws of field maps, checked on generated records.
//!
//! [`law_tests!`](crate::law_tests) makes a `#[test]` of each law for one map, with values that
//! come from the entity and the map: every kind, extremes, boundaries of scales and lengths,
//! separators, empty and wrong values, and records as a system might really hold them.
//!
//! ```
//! use omnisync_core::crm::standard::{self, dataverse, salesforce};
//!
//! omnisync_testkit::law_tests!(store, salesforce::store(), standard::store(), and dataverse::store());
//! # fn main() {}
//! ```
//!
//! A mapping that is written by hand implements [`Mapping`] and is checked by [`Laws::of`].

mod check;
mod laws;
mod mapping;
mod native;
#[cfg(test)]
mod tests;
mod value;

pub use laws::{Broken, Laws};
pub use mapping::Mapping;

/// Fewest generated records for each law. `PROPTEST_CASES` asks for more.
pub const CASES_MIN: u32 = 1_024;

/// Makes a module with a `#[test]` for each law of a field map: `law_tests!(name, map, entity)`.
///
/// With `and` another map of the same entity, values have to come to rest on their way through
/// both as well: `law_tests!(name, map, entity, and other)`.
#[macro_export]
macro_rules! law_tests {
    ($name:ident, $map:expr, $entity:expr $(, and $other:expr)? $(,)?) => {
        mod $name {
            #[allow(unused_imports, reason = "the expressions may be paths from the root")]
            use super::*;

            fn laws() -> $crate::law::Laws {
                match $crate::law::Laws::new(&$map, &$entity) {
                    ::core::result::Result::Ok(laws) => laws,
                    ::core::result::Result::Err(broken) => ::core::panic!("{broken}"),
                }
            }

            $crate::__law_tests!([
                get_put, reading_is_normal, put_get, normal_is_stable, put_put, isolation,
            ]);

            $(
                #[test]
                fn round_trip() {
                    if let ::core::result::Result::Err(broken) = laws().round_trip(&$other) {
                        ::core::panic!("{broken}");
                    }
                }
            )?
        }
    };
}

/// Turns a list of laws into one `#[test]` each.
#[doc(hidden)]
#[macro_export]
macro_rules! __law_tests {
    ([$($law:ident),* $(,)?]) => {
        $(
            #[test]
            fn $law() {
                if let ::core::result::Result::Err(broken) = laws().$law() {
                    ::core::panic!("{broken}");
                }
            }
        )*
    };
}
