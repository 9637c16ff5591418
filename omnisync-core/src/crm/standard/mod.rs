//! The entities that are built in, and their maps for Salesforce and Dataverse: data to start
//! from. A host changes them with [`FieldMap::edit`], or brings its own.
//!
//! | entity | identified by | Salesforce | Dataverse |
//! |---|---|---|---|
//! | `Account` | account number | `Account` | `account` |
//! | `Product` | product code | `Product2` | `product` |
//! | `ProductCategory` | code | an option of the product | an option of the product |
//! | `Store` | store code | `RetailStore__c` | `cr989_retailstore` |
//! | `SalesOrder` | order number | `Order` | `salesorder` |
//! | `SalesOrderLine` | order and line number | `OrderItem` | `salesorderdetail` |
//! | `Currency` | ISO code | `CurrencyType` | `transactioncurrency` |
//! | `Geography` | nothing | parts of an address | parts of an address |
//!
//! What every installation has its own ids for is left to the host as a constant: price books and
//! price lists, units, contracts. Fields that only say how the synchronisation itself goes are
//! mapped nowhere, or a marked conflict would be a change: see [`sync_status_field`].
//!
//! Native names are those of the columns. Lookups hold the plain id of the other record; how a
//! request spells a lookup is a matter of the adapter.

mod choices;
pub mod dataverse;
mod entities;
pub mod salesforce;

use serde::{Deserialize, Serialize};

pub use choices::{CATEGORIES, CLASSES, COLORS, SIZE_UNITS, STORE_TYPES, WEIGHT_UNITS};
pub use entities::{
    account, currency, entities, geography, product, product_category, sales_order,
    sales_order_line, store,
};

use super::FieldName;
use super::field_map::FieldMap;

/// Value of the sync status of a record with an open conflict. A record without one has none.
pub const SYNC_STATUS_CONFLICT: &str = "Conflict";

/// The kinds of systems that maps are built in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum SystemKind {
    /// Salesforce.
    Salesforce,
    /// Dataverse, the store of Dynamics 365 Sales.
    Dataverse,
}

/// The map of a built-in entity. `None` where the system has no object for it.
pub fn field_map(kind: SystemKind, entity: &str) -> Option<FieldMap> {
    match kind {
        SystemKind::Salesforce => salesforce::field_map(entity),
        SystemKind::Dataverse => dataverse::field_map(entity),
    }
}

/// The native field that marks a record with an open conflict, for people to see. It is written
/// beside the mapped fields and never read as one of them.
pub fn sync_status_field(kind: SystemKind) -> FieldName {
    FieldName::known(match kind {
        SystemKind::Salesforce => "SyncStatus__c",
        SystemKind::Dataverse => "omnisync_syncstatus",
    })
}
