//! The entities that exist in the environment.

/// An entity, as data management knows it.
#[derive(Debug)]
pub(crate) struct Entity {
    pub(crate) label: &'static str,
    pub(crate) target: &'static str,
    pub(crate) key: &'static str,
    /// The service makes a key up where a row has none.
    pub(crate) generates_key: bool,
    pub(crate) required: &'static [&'static str],
    pub(crate) fields: &'static [(&'static str, Kind)],
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Date,
    Real,
    YesNo,
}

pub(crate) const ORDER: &str = "SALESORDERNUMBER";
pub(crate) const LOCATION: &str = "DELIVERYADDRESSLOCATIONID";
pub(crate) const HEADERS: &str = "Sales order headers V2";
pub(crate) const LINES: &str = "Sales order lines V2";

impl Entity {
    /// The entity of a label; labels are in the language of the environment.
    pub(crate) fn of_label(label: &str) -> Option<&'static Self> {
        ENTITIES.iter().find(|entity| entity.label == label)
    }

    pub(crate) fn kind(&self, field: &str) -> Option<Kind> {
        self.fields
            .iter()
            .find(|(name, _)| *name == field)
            .map(|(_, kind)| *kind)
    }
}

const ENTITIES: [Entity; 2] = [
    Entity {
        label: HEADERS,
        target: "SalesOrderHeaderV2Entity",
        key: ORDER,
        generates_key: false,
        required: &[
            ORDER,
            "ORDERINGCUSTOMERACCOUNTNUMBER",
            "INVOICECUSTOMERACCOUNTNUMBER",
            "REQUESTEDSHIPPINGDATE",
        ],
        fields: &[
            (ORDER, Kind::Text),
            ("ORDERINGCUSTOMERACCOUNTNUMBER", Kind::Text),
            ("INVOICECUSTOMERACCOUNTNUMBER", Kind::Text),
            ("CURRENCYCODE", Kind::Text),
            ("REQUESTEDSHIPPINGDATE", Kind::Date),
            ("REQUESTEDRECEIPTDATE", Kind::Date),
            ("CUSTOMERSORDERREFERENCE", Kind::Text),
            ("ISDELIVERYADDRESSORDERSPECIFIC", Kind::YesNo),
            ("DELIVERYADDRESSNAME", Kind::Text),
            ("DELIVERYADDRESSSTREET", Kind::Text),
            ("DELIVERYADDRESSSTREETNUMBER", Kind::Text),
            ("DELIVERYADDRESSCITY", Kind::Text),
            ("DELIVERYADDRESSSTATEID", Kind::Text),
            ("DELIVERYADDRESSZIPCODE", Kind::Text),
            ("DELIVERYADDRESSCOUNTRYREGIONID", Kind::Text),
            ("DELIVERYADDRESSCOUNTRYREGIONISOCODE", Kind::Text),
            ("DELIVERYADDRESSDESCRIPTION", Kind::Text),
            (LOCATION, Kind::Text),
            ("DEFAULTSHIPPINGSITEID", Kind::Text),
            ("DEFAULTSHIPPINGWAREHOUSEID", Kind::Text),
        ],
    },
    Entity {
        label: LINES,
        target: "SalesOrderLineV2Entity",
        key: "INVENTORYLOTID",
        generates_key: true,
        required: &[ORDER, "ITEMNUMBER", "REQUESTEDSHIPPINGDATE"],
        fields: &[
            ("INVENTORYLOTID", Kind::Text),
            (ORDER, Kind::Text),
            ("LINECREATIONSEQUENCENUMBER", Kind::Real),
            ("ITEMNUMBER", Kind::Text),
            ("ORDEREDSALESQUANTITY", Kind::Real),
            ("SALESUNITSYMBOL", Kind::Text),
            ("SALESPRICE", Kind::Real),
            ("SALESPRICEQUANTITY", Kind::Real),
            ("LINEAMOUNT", Kind::Real),
            ("REQUESTEDSHIPPINGDATE", Kind::Date),
            ("REQUESTEDRECEIPTDATE", Kind::Date),
            ("SHIPPINGSITEID", Kind::Text),
            ("SHIPPINGWAREHOUSEID", Kind::Text),
            ("CURRENCYCODE", Kind::Text),
            ("EXTERNALITEMNUMBER", Kind::Text),
            ("LINEDESCRIPTION", Kind::Text),
            (LOCATION, Kind::Text),
        ],
    },
];
