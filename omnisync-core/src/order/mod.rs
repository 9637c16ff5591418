//! Orders: typed content, validation, revisions, the state machine and the stored document.

mod model;

pub use model::{Address, Country, Currency, LineItem, Order, Unknown};
