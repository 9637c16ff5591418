//! Schemas made up after the forms of the real ones, and events written with them.

use apache_avro::Schema;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use omnisync_adapters_salesforce::cdc::{
    ChangeEvent, DecodeError, DecodeLimits, EventSchema, FieldPath,
};
use serde_json::{Value as Json, json};

pub(crate) const ACCOUNT: &str = "001Dx00000AbCdEIAV";
pub(crate) const USER: &str = "005Dx00000AbCdEIAV";

/// A commit number beyond what a double holds.
pub(crate) const COMMIT_NUMBER: i64 = 9_007_199_254_740_993;

/// Which form of the schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// With `Xyz` in addresses, and change types without `SNAPSHOT`.
    Older,
    /// As they are today.
    Newer,
}

fn nullable(name: &str, of: &str) -> Json {
    json!({"name": name, "type": ["null", of], "default": null})
}

fn header(form: Form) -> Json {
    let mut kinds = vec![
        "CREATE",
        "UPDATE",
        "DELETE",
        "UNDELETE",
        "GAP_CREATE",
        "GAP_UPDATE",
        "GAP_DELETE",
        "GAP_UNDELETE",
        "GAP_OVERFLOW",
    ];
    let mut kind = json!({"type": "enum", "name": "ChangeType"});
    match form {
        Form::Older => kind["namespace"] = json!(""),
        Form::Newer => kinds.push("SNAPSHOT"),
    }
    kind["symbols"] = json!(kinds);
    let texts = json!({"type": "array", "items": "string"});
    json!({"name": "ChangeEventHeader", "doc": "Data:ComplexValueType", "type": {
        "type": "record", "name": "ChangeEventHeader", "fields": [
            {"name": "entityName", "type": "string"},
            {"name": "recordIds", "type": texts},
            {"name": "changeType", "type": kind},
            {"name": "changeOrigin", "type": "string"},
            {"name": "transactionKey", "type": "string"},
            {"name": "sequenceNumber", "type": "int"},
            {"name": "commitTimestamp", "type": "long"},
            {"name": "commitNumber", "type": "long"},
            {"name": "commitUser", "type": "string"},
            {"name": "nulledFields", "type": texts},
            {"name": "diffFields", "type": texts},
            {"name": "changedFields", "type": texts},
        ]
    }})
}

fn address(form: Form) -> Json {
    let mut parts: Vec<Json> = ["Street", "City", "PostalCode"]
        .map(|name| nullable(name, "string"))
        .into();
    parts.extend(["Latitude", "Longitude"].map(|name| nullable(name, "double")));
    if form == Form::Older {
        parts.push(nullable("Xyz", "bytes"));
    }
    parts.push(nullable("GeocodeAccuracy", "string"));
    json!({"type": "record", "name": "Address", "fields": parts})
}

fn record(name: &str, fields: &[Json]) -> String {
    let namespace = "com.sforce.eventbus";
    json!({"type": "record", "name": name, "namespace": namespace, "fields": fields}).to_string()
}

/// The fields of an account, from 0: header, `Name`, `BillingAddress`, `ShippingAddress`, `Phone`,
/// `AnnualRevenue`, `NumberOfEmployees`, `LastModifiedDate`, `Active`, `Notes`.
pub(crate) fn account(form: Form) -> String {
    let name = ["Salutation", "FirstName", "LastName"].map(|name| nullable(name, "string"));
    let name = json!({"type": "record", "name": "Switchable_PersonName", "fields": name});
    let doc = "Data:Address";
    record(
        "AccountChangeEvent",
        &[
            header(form),
            json!({"name": "Name", "type": ["null", "string", name], "doc": "Data:Switchable_PersonName"}),
            json!({"name": "BillingAddress", "type": ["null", address(form)], "doc": doc}),
            json!({"name": "ShippingAddress", "type": ["null", "Address"], "doc": doc}),
            nullable("Phone", "string"),
            nullable("AnnualRevenue", "double"),
            nullable("NumberOfEmployees", "int"),
            nullable("LastModifiedDate", "long"),
            nullable("Active", "boolean"),
            nullable("Notes", "string"),
        ],
    )
}

/// A custom object: 0 header, 1 Name, 2 Place (a location that is not an address), 3 Either.
pub(crate) fn custom() -> String {
    let place = ["Latitude", "Longitude"].map(|name| nullable(name, "double"));
    let place = json!({"type": "record", "name": "Location", "fields": place});
    let either = [nullable("A", "string"), nullable("B", "string")];
    let either = json!({"type": "record", "name": "Either", "fields": either});
    record(
        "Some__ChangeEvent",
        &[
            header(Form::Newer),
            nullable("Name", "string"),
            json!({"name": "Place__c", "type": ["null", place], "doc": "Data:Location:00N0"}),
            json!({"name": "Either__c", "type": ["string", either]}),
        ],
    )
}

/// An event to be written: what is not said is null, or the header of an update of one account.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) entity: &'static str,
    pub(crate) ids: Vec<String>,
    pub(crate) kind: &'static str,
    pub(crate) origin: &'static str,
    pub(crate) nulled: Vec<String>,
    pub(crate) diff: Vec<String>,
    pub(crate) changed: Vec<String>,
    pub(crate) fields: Vec<(&'static str, Value)>,
}

pub(crate) fn draft(kind: &'static str) -> Draft {
    Draft {
        entity: "Account",
        ids: vec![ACCOUNT.to_owned()],
        kind,
        origin: "com/salesforce/api/rest/62.0;client=OmniSync",
        nulled: Vec::new(),
        diff: Vec::new(),
        changed: Vec::new(),
        fields: Vec::new(),
    }
}

impl Draft {
    pub(crate) fn changed(mut self, elements: &[&str]) -> Self {
        self.changed = elements.iter().map(ToString::to_string).collect();
        self
    }

    pub(crate) fn nulled(mut self, elements: &[&str]) -> Self {
        self.nulled = elements.iter().map(ToString::to_string).collect();
        self
    }

    pub(crate) fn ids(mut self, ids: &[&str]) -> Self {
        self.ids = ids.iter().map(ToString::to_string).collect();
        self
    }

    pub(crate) fn field(mut self, name: &'static str, value: Value) -> Self {
        self.fields.push((name, value));
        self
    }

    /// The payload, as `apache-avro` writes it.
    pub(crate) fn write(&self, schema: &str) -> Vec<u8> {
        let schema = Schema::parse_str(schema).unwrap();
        let Schema::Record(record) = &schema else {
            panic!("no record");
        };
        let mut fields = Vec::new();
        for field in &record.fields {
            let given = self.fields.iter().find(|(name, _)| *name == field.name);
            let value = match given {
                _ if field.name == "ChangeEventHeader" => self.header(),
                Some((_, value)) => value.clone(),
                None if field.name == "Either__c" => branch(0, text("")),
                None => branch(0, Value::Null),
            };
            fields.push((field.name.clone(), value));
        }
        let writer = GenericDatumWriter::builder(&schema).build().unwrap();
        writer.write_value_to_vec(Value::Record(fields)).unwrap()
    }

    fn header(&self) -> Value {
        let texts =
            |texts: &[String]| Value::Array(texts.iter().cloned().map(Value::String).collect());
        let kinds = [
            "CREATE",
            "UPDATE",
            "DELETE",
            "UNDELETE",
            "GAP_CREATE",
            "GAP_UPDATE",
            "GAP_DELETE",
            "GAP_UNDELETE",
            "GAP_OVERFLOW",
            "SNAPSHOT",
        ];
        let kind = kinds.iter().position(|kind| *kind == self.kind).unwrap();
        let kind = Value::Enum(u32::try_from(kind).unwrap(), self.kind.to_owned());
        let members = [
            ("entityName", text(self.entity)),
            ("recordIds", texts(&self.ids)),
            ("changeType", kind),
            ("changeOrigin", text(self.origin)),
            ("transactionKey", text("0003-0001")),
            ("sequenceNumber", Value::Int(1)),
            ("commitTimestamp", Value::Long(1_770_000_000_000)),
            ("commitNumber", Value::Long(COMMIT_NUMBER)),
            ("commitUser", text(USER)),
            ("nulledFields", texts(&self.nulled)),
            ("diffFields", texts(&self.diff)),
            ("changedFields", texts(&self.changed)),
        ];
        named(members)
    }
}

pub(crate) fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

pub(crate) fn branch(index: u32, value: Value) -> Value {
    Value::Union(index, Box::new(value))
}

/// A value that can be null, and is not.
pub(crate) fn some(value: Value) -> Value {
    branch(1, value)
}

pub(crate) fn named<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Record(members.map(|(name, value)| (name.to_owned(), value)).into())
}

/// An address of the newer form, of which only these parts have a value.
pub(crate) fn address_of(parts: &[(&str, Value)]) -> Value {
    let names = [
        "Street",
        "City",
        "PostalCode",
        "Latitude",
        "Longitude",
        "GeocodeAccuracy",
    ];
    some(named(names.map(|name| {
        let given = parts.iter().find(|(part, _)| *part == name);
        let value = given.map_or_else(|| branch(0, Value::Null), |(_, value)| some(value.clone()));
        (name, value)
    })))
}

pub(crate) fn parse(schema: &str) -> EventSchema {
    EventSchema::parse(schema.as_bytes()).unwrap()
}

/// Writes the event and reads it with the same schema.
pub(crate) fn try_read(draft: &Draft, schema: &str) -> Result<ChangeEvent, DecodeError> {
    parse(schema).decode(&draft.write(schema), &DecodeLimits::default())
}

pub(crate) fn read(draft: &Draft, schema: &str) -> ChangeEvent {
    try_read(draft, schema).unwrap()
}

/// The paths as texts.
pub(crate) fn names<'a>(paths: impl IntoIterator<Item = &'a FieldPath>) -> Vec<&'a str> {
    paths.into_iter().map(FieldPath::as_str).collect()
}
