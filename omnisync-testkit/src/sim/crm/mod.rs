//! CRM sync as a scenario: people work in several systems at once, and all of them end alike.
//!
//! [`CrmScenario`] puts a [`CrmHost`] between systems that normalise, a state store, and streams of
//! events that double, turn around, join and lose what happened. An auditor beside them checks the
//! promises of the sync after every effect, and whether the systems agree in the end. [`Syncing`] is
//! the plain composition of the flows; put your own in its place to see whether it keeps the
//! promises too.
//!
//! ```
//! use omnisync_testkit::sim::crm::{Act, CrmScenario, Field, Wording};
//! use omnisync_testkit::sim::Explorer;
//!
//! let edits = [
//!     Act::Create { in_systems: vec![0] },
//!     Act::Edit { record: 0, system: 1, field: Field::City, wording: Wording::New },
//! ];
//! let scenario = CrmScenario::of_flows("my-edits", 2).with_acts(edits);
//! let report = Explorer::new(&scenario).seeds(0, 20).unwrap();
//! assert_eq!(report.seeds, 20);
//! ```

mod act;
mod audit;
mod blueprint;
mod catalogue;
mod environment;
mod facts;
mod host;
mod people;
mod play;
mod post;
mod scenario;
mod systems;
mod turns;

pub use act::{Act, Field, Wording};
pub use audit::INVARIANTS;
pub use catalogue::{MARKS, scenarios};
pub(crate) use facts::Failing;
pub use host::{CrmHost, CrmPort, CrmPorts, Syncing};
pub use post::{Bag, Post};
pub use scenario::CrmScenario;
pub use systems::Manners;
pub use turns::{LEAST_WRITES, WRITES};
