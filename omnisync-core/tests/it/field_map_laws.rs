//! The standard maps keep the laws, and so does a map with every kind of rule that they lack.

use omnisync_core::crm::standard::{self, dataverse, salesforce};
use omnisync_testkit::law_tests;

law_tests!(salesforce_account, salesforce::account(), standard::account(), and dataverse::account());
law_tests!(salesforce_product, salesforce::product(), standard::product(), and dataverse::product());
law_tests!(salesforce_store, salesforce::store(), standard::store(), and dataverse::store());
law_tests!(
    salesforce_order, salesforce::sales_order(), standard::sales_order(),
    and dataverse::sales_order()
);
law_tests!(
    salesforce_line, salesforce::sales_order_line(), standard::sales_order_line(),
    and dataverse::sales_order_line()
);
law_tests!(salesforce_currency, salesforce::currency(), standard::currency(), and dataverse::currency());

law_tests!(dataverse_account, dataverse::account(), standard::account(), and salesforce::account());
law_tests!(dataverse_product, dataverse::product(), standard::product(), and salesforce::product());
law_tests!(dataverse_store, dataverse::store(), standard::store(), and salesforce::store());
law_tests!(
    dataverse_order, dataverse::sales_order(), standard::sales_order(),
    and salesforce::sales_order()
);
law_tests!(
    dataverse_line, dataverse::sales_order_line(), standard::sales_order_line(),
    and salesforce::sales_order_line()
);
law_tests!(dataverse_currency, dataverse::currency(), standard::currency(), and salesforce::currency());

law_tests!(odd, odd_map(), odd_entity(), and other_map());
law_tests!(other, other_map(), odd_entity(), and odd_map());

use omnisync_core::crm::EntityDefinition;
use omnisync_core::crm::field_map::FieldMap;

/// Fields of every kind.
fn odd_entity() -> EntityDefinition {
    serde_json::from_str(include_str!("field_map_laws/entity.json")).unwrap()
}

/// Joins, mirrors, tables of lists, factors, zones and one-way rules.
fn odd_map() -> FieldMap {
    serde_json::from_str(include_str!("field_map_laws/odd.json")).unwrap()
}

/// The same fields, otherwise.
fn other_map() -> FieldMap {
    serde_json::from_str(include_str!("field_map_laws/other.json")).unwrap()
}
