//! The maps to start from.

use super::field_map::{Column, EntityFieldMap, FieldMap, Format, Layout, Source};

/// Columns that carry the site, by entity.
const SITE: [&str; 2] = ["DEFAULTSHIPPINGSITEID", "SHIPPINGSITEID"];
/// Columns that carry the warehouse, by entity.
const WAREHOUSE: [&str; 2] = ["DEFAULTSHIPPINGWAREHOUSEID", "SHIPPINGWAREHOUSEID"];

impl FieldMap {
    /// Sales order headers V2 and Sales order lines V2 of Finance & Operations.
    ///
    /// Column names are those of the documented entities. The entity labels are English, and the
    /// site `1`, the warehouse `11` and the unit `ea` are placeholders of the demonstration
    /// company: set yours with [`with_site`](Self::with_site),
    /// [`with_warehouse`](Self::with_warehouse) and [`with_sales_unit`](Self::with_sales_unit).
    /// The documentation also lists `DELIVERYADDRESSLOCATIONID` as required for lines; orders do
    /// not carry it, so add a column for it where the environment insists.
    pub fn dmf() -> Self {
        Self {
            layout: Layout::Dmf,
            headers: dmf_headers(),
            lines: dmf_lines(),
        }
    }

    /// The JSON files of layout `Seed`.
    pub fn seed() -> Self {
        let headers = [
            Column::new("salesOrderNumber", Source::OrderId).required(),
            Column::new("customerAccount", Source::CustomerId).required(),
            Column::new("requestedDate", shipping_date()).required(),
            Column::new("currency", Source::Currency).required(),
            Column::new("total", Source::TotalAmount).required(),
            Column::new("deliveryStreet", Source::AddressStreet).required(),
            Column::new("deliveryCity", Source::AddressCity).required(),
            Column::new("deliveryState", Source::AddressState),
            Column::new("deliveryZip", Source::AddressZip),
            Column::new("deliveryCountry", Source::AddressCountry).required(),
        ];
        let lines = [
            Column::new("salesOrderNumber", Source::OrderId).required(),
            Column::new("lineNumber", Source::ItemNumber).required(),
            Column::new("itemNumber", Source::ProductCode).required(),
            Column::new("quantity", Source::Quantity).required(),
            Column::new("unitPrice", Source::UnitPrice).required(),
            Column::new("lineAmount", Source::LineAmount)
                .with_format(Format::Money)
                .required(),
        ];
        Self {
            layout: Layout::Seed,
            headers: EntityFieldMap {
                entity_name: "SalesOrderHeadersV2".to_owned(),
                target_entity: String::new(),
                file_name: "sales_orders.json".to_owned(),
                level: 0,
                key: vec!["salesOrderNumber".to_owned()],
                columns: headers.into(),
                unknown_columns: Vec::new(),
            },
            lines: EntityFieldMap {
                entity_name: "SalesOrderLinesV2".to_owned(),
                target_entity: String::new(),
                file_name: "sales_order_lines.json".to_owned(),
                level: 0,
                key: vec!["salesOrderNumber".to_owned(), "lineNumber".to_owned()],
                columns: lines.into(),
                unknown_columns: Vec::new(),
            },
        }
    }

    /// Sets the site that orders and lines ship from.
    #[must_use]
    pub fn with_site(self, site: &str) -> Self {
        self.with_constants(&SITE, site)
    }

    /// Sets the warehouse that orders and lines ship from.
    #[must_use]
    pub fn with_warehouse(self, warehouse: &str) -> Self {
        self.with_constants(&WAREHOUSE, warehouse)
    }

    /// Sets the symbol of the sales unit.
    #[must_use]
    pub fn with_sales_unit(self, symbol: &str) -> Self {
        self.with_constants(&["SALESUNITSYMBOL"], symbol)
    }

    fn with_constants(mut self, names: &[&str], text: &str) -> Self {
        for column in self
            .headers
            .columns
            .iter_mut()
            .chain(&mut self.lines.columns)
        {
            if names.contains(&column.name.as_str()) {
                column.source = Source::Constant(text.to_owned());
            }
        }
        self
    }
}

fn dmf_headers() -> EntityFieldMap {
    EntityFieldMap {
        entity_name: "Sales order headers V2".to_owned(),
        target_entity: "SalesOrderHeaderV2Entity".to_owned(),
        file_name: "Sales order headers V2.csv".to_owned(),
        level: 10,
        key: vec!["SALESORDERNUMBER".to_owned()],
        columns: vec![
            Column::new("SALESORDERNUMBER", Source::OrderId).required(),
            Column::new("ORDERINGCUSTOMERACCOUNTNUMBER", Source::CustomerId).required(),
            Column::new("INVOICECUSTOMERACCOUNTNUMBER", Source::CustomerId).required(),
            Column::new("CURRENCYCODE", Source::Currency).required(),
            Column::new("REQUESTEDSHIPPINGDATE", shipping_date()).required(),
            Column::new("REQUESTEDRECEIPTDATE", shipping_date()),
            Column::new("CUSTOMERSORDERREFERENCE", Source::OrderId),
            Column::constant("ISDELIVERYADDRESSORDERSPECIFIC", "Yes"),
            Column::new("DELIVERYADDRESSNAME", Source::AddressName),
            Column::new("DELIVERYADDRESSSTREET", Source::AddressStreet),
            Column::new("DELIVERYADDRESSCITY", Source::AddressCity),
            Column::new("DELIVERYADDRESSSTATEID", Source::AddressState),
            Column::new("DELIVERYADDRESSZIPCODE", Source::AddressZip),
            Column::new("DELIVERYADDRESSCOUNTRYREGIONID", Source::AddressCountry)
                .with_format(Format::CountryAlpha3)
                .required(),
            Column::constant("DEFAULTSHIPPINGSITEID", "1"),
            Column::constant("DEFAULTSHIPPINGWAREHOUSEID", "11"),
        ],
        unknown_columns: Vec::new(),
    }
}

fn dmf_lines() -> EntityFieldMap {
    EntityFieldMap {
        entity_name: "Sales order lines V2".to_owned(),
        target_entity: "SalesOrderLineV2Entity".to_owned(),
        file_name: "Sales order lines V2.csv".to_owned(),
        level: 20,
        key: vec!["INVENTORYLOTID".to_owned()],
        columns: vec![
            Column::new("INVENTORYLOTID", Source::LineKey)
                .with_chars_max(20)
                .required(),
            Column::new("SALESORDERNUMBER", Source::OrderId).required(),
            Column::new("LINECREATIONSEQUENCENUMBER", Source::ItemNumber),
            Column::new("ITEMNUMBER", Source::ProductCode).required(),
            Column::new("ORDEREDSALESQUANTITY", Source::Quantity).required(),
            Column::constant("SALESUNITSYMBOL", "ea"),
            Column::new("SALESPRICE", Source::UnitPrice).required(),
            Column::new("LINEAMOUNT", Source::LineAmount)
                .with_format(Format::Money)
                .required(),
            Column::new("REQUESTEDSHIPPINGDATE", shipping_date()).required(),
            Column::constant("SHIPPINGSITEID", "1"),
            Column::constant("SHIPPINGWAREHOUSEID", "11"),
        ],
        unknown_columns: Vec::new(),
    }
}

/// The entities require a shipping date; orders may do without one.
fn shipping_date() -> Source {
    Source::FirstOf(vec![Source::RequestedShippingDate, Source::OrderDate])
}
