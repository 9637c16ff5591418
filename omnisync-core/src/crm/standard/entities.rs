use super::choices::{CATEGORIES, CLASSES, COLORS, SIZE_UNITS, STORE_TYPES, WEIGHT_UNITS, names};
use crate::crm::{EntityDefinition, EntityName, FieldDefinition, FieldKind, FieldName, Fields};

/// Digits behind the point of coordinates: about a metre.
const COORDINATE_SCALE: u32 = 5;
/// Digits behind the point of prices.
const PRICE_SCALE: u32 = 4;

/// All built-in entities, each after those that it refers to.
pub fn entities() -> Vec<EntityDefinition> {
    vec![
        currency(),
        geography(),
        account(),
        product_category(),
        product(),
        store(),
        sales_order(),
        sales_order_line(),
    ]
}

/// A company that buys.
pub fn account() -> EntityDefinition {
    Draft::new("Account")
        .key("accountNumber", FieldKind::Text)
        .required("name", FieldKind::Text)
        .optional("email", FieldKind::Text)
        .optional("phone", FieldKind::Text)
        .optional("fax", FieldKind::Text)
        .optional("website", FieldKind::Text)
        .optional("description", FieldKind::Text)
        .optional("annualRevenue", FieldKind::Decimal { scale: 2 })
        .optional("employees", FieldKind::Integer)
        .optional("shippingStreet", FieldKind::AddressPart)
        .optional("shippingCity", FieldKind::AddressPart)
        .optional("shippingState", FieldKind::AddressPart)
        .optional("shippingPostalCode", FieldKind::AddressPart)
        .optional("shippingCountry", FieldKind::AddressPart)
        .optional("shippingLatitude", coordinate())
        .optional("shippingLongitude", coordinate())
        .build()
}

/// Something that is sold.
pub fn product() -> EntityDefinition {
    Draft::new("Product")
        .key("productCode", FieldKind::Text)
        .required("name", FieldKind::Text)
        .optional("description", FieldKind::Text)
        .optional("category", choice(CATEGORIES))
        .optional("manufacturer", FieldKind::Text)
        .optional("brand", FieldKind::Text)
        .optional("class", choice(CLASSES))
        .optional("color", choice(COLORS))
        .optional("size", FieldKind::Text)
        .optional("sizeUnit", choice(SIZE_UNITS))
        .optional("weight", FieldKind::Decimal { scale: 4 })
        .optional("weightUnit", choice(WEIGHT_UNITS))
        .optional("availableFrom", FieldKind::Date)
        .optional("stopSale", FieldKind::Date)
        .optional("active", FieldKind::Boolean)
        .optional("unitPrice", price())
        .optional("unitCost", price())
        .optional("currency", reference("Currency"))
        .build()
}

/// A group of products. One that is part of another names it.
pub fn product_category() -> EntityDefinition {
    Draft::new("ProductCategory")
        .key("code", FieldKind::Text)
        .required("name", FieldKind::Text)
        .optional("parent", reference("ProductCategory"))
        .build()
}

/// A place where an account sells on.
pub fn store() -> EntityDefinition {
    Draft::new("Store")
        .key("storeCode", FieldKind::Text)
        .required("name", FieldKind::Text)
        .required("account", reference("Account"))
        .required("storeType", choice(STORE_TYPES))
        .optional("description", FieldKind::Text)
        .optional("employeeCount", FieldKind::Integer)
        .optional("phone", FieldKind::Text)
        .optional("fax", FieldKind::Text)
        .optional("street", FieldKind::AddressPart)
        .optional("city", FieldKind::AddressPart)
        .optional("state", FieldKind::AddressPart)
        .optional("postalCode", FieldKind::AddressPart)
        .optional("country", FieldKind::AddressPart)
        .optional("latitude", coordinate())
        .optional("longitude", coordinate())
        .build()
}

/// An order, without its lines. Salesforce numbers its orders by itself, so the number that all
/// systems share is one of its own, and that of Salesforce goes along.
pub fn sales_order() -> EntityDefinition {
    Draft::new("SalesOrder")
        .key("orderNumber", FieldKind::Text)
        .optional("salesforceOrderNumber", FieldKind::Text)
        .required("orderDate", FieldKind::Date)
        .required("account", reference("Account"))
        .required("store", reference("Store"))
        .optional("name", FieldKind::Text)
        .optional("description", FieldKind::Text)
        .optional("currency", reference("Currency"))
        .build()
}

/// A line of an order: a record of its own.
pub fn sales_order_line() -> EntityDefinition {
    Draft::new("SalesOrderLine")
        .key("order", reference("SalesOrder"))
        .key("lineNumber", FieldKind::Integer)
        .required("product", reference("Product"))
        .required("quantity", FieldKind::Decimal { scale: 2 })
        .optional("unitPrice", price())
        .optional("unitCost", price())
        .build()
}

/// A currency and its rate.
pub fn currency() -> EntityDefinition {
    Draft::new("Currency")
        .key("code", FieldKind::Text)
        .optional("conversionRate", FieldKind::Decimal { scale: 6 })
        .optional("decimalPlaces", FieldKind::Integer)
        .optional("active", FieldKind::Boolean)
        .build()
}

/// A place on earth, down to the city. Its names come from geocoding and identify nothing.
pub fn geography() -> EntityDefinition {
    let kinds = ["Continent", "Country/Region", "State/Province", "City"];
    let kind = FieldKind::Choice {
        options: kinds.map(str::to_owned).to_vec(),
    };
    Draft::new("Geography")
        .required("geographyType", kind)
        .required("continent", FieldKind::Text)
        .optional("country", FieldKind::Text)
        .optional("state", FieldKind::Text)
        .optional("city", FieldKind::Text)
        .build()
}

struct Draft(EntityDefinition);

impl Draft {
    fn new(name: &'static str) -> Self {
        Self(EntityDefinition {
            name: EntityName::known(name),
            fields: Fields::new(),
            natural_key: Vec::new(),
        })
    }

    fn key(mut self, name: &'static str, kind: FieldKind) -> Self {
        self.0.natural_key.push(FieldName::known(name));
        self.required(name, kind)
    }

    fn required(self, name: &'static str, kind: FieldKind) -> Self {
        self.field(name, kind, true)
    }

    fn optional(self, name: &'static str, kind: FieldKind) -> Self {
        self.field(name, kind, false)
    }

    fn field(mut self, name: &'static str, kind: FieldKind, required: bool) -> Self {
        let definition = FieldDefinition { kind, required };
        self.0.fields.insert(FieldName::known(name), definition);
        self
    }

    fn build(self) -> EntityDefinition {
        self.0
    }
}

fn choice<const N: usize>(list: [(i64, &str); N]) -> FieldKind {
    FieldKind::Choice {
        options: names(list),
    }
}

fn reference(entity: &'static str) -> FieldKind {
    FieldKind::Reference {
        entity: EntityName::known(entity),
    }
}

const fn coordinate() -> FieldKind {
    FieldKind::Decimal {
        scale: COORDINATE_SCALE,
    }
}

const fn price() -> FieldKind {
    FieldKind::Decimal { scale: PRICE_SCALE }
}
