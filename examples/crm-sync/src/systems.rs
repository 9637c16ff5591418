//! The two CRMs: their objects, and their manners.

use chrono::TimeDelta;
use omnisync_core::crm::field_map::FieldMap;
use omnisync_core::crm::standard::{self, SystemKind};
use omnisync_core::crm::{EntityDefinition, FieldName, SystemName};
use omnisync_core::id::IdError;
use omnisync_core::port::{CrmCapability, Precondition};
use omnisync_testkit::fake::crm::{
    Automation, CrmField, CrmObject, CrmOptions, Derived, Normaliser, Removing, Trigger,
};

/// Entities that the two share, each after those that it refers to.
pub(crate) const ENTITIES: [&str; 3] = ["Currency", "Account", "Product"];

/// Who a geocoded address comes from: a user of its own, as automations have.
const GEOCODER: &str = "geocoder";

/// How long the geocoder takes.
const GEOCODING: TimeDelta = TimeDelta::seconds(20);

/// Characters of a name that dynamics keeps.
const NAME_CHARACTERS_MAX: usize = 32;

/// Both systems. The word is what a person calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crm {
    /// Deletes what is removed, trims, and looks up where addresses lie.
    Salesforce,
    /// Deactivates what is removed, and cuts names and numbers.
    Dynamics,
}

/// Whether a system does what nobody asked it for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manners {
    /// It has its triggers and automations.
    All,
    /// It only keeps what is written, in its own spelling.
    Spelling,
}

impl Crm {
    pub(crate) const BOTH: [Self; 2] = [Self::Salesforce, Self::Dynamics];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Salesforce => "salesforce",
            Self::Dynamics => "dynamics",
        }
    }

    pub(crate) fn name(self) -> Result<SystemName, IdError> {
        SystemName::new(self.word())
    }

    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Salesforce => Self::Dynamics,
            Self::Dynamics => Self::Salesforce,
        }
    }

    const fn kind(self) -> SystemKind {
        match self {
            Self::Salesforce => SystemKind::Salesforce,
            Self::Dynamics => SystemKind::Dataverse,
        }
    }

    /// The standard maps of the shared entities.
    pub(crate) fn maps(self) -> impl Iterator<Item = FieldMap> {
        let maps = ENTITIES.into_iter();
        maps.filter_map(move |entity| standard::field_map(self.kind(), entity))
    }

    pub(crate) fn status_field(self) -> FieldName {
        standard::sync_status_field(self.kind())
    }

    pub(crate) fn options(self, manners: Manners) -> Result<CrmOptions, IdError> {
        let capability = match (self, manners) {
            (_, Manners::Spelling) => CrmCapability::strict().without_unique_keys(),
            (Self::Salesforce, Manners::All) => {
                CrmCapability::strict().with_precondition(Precondition::Weak)
            }
            (Self::Dynamics, Manners::All) => CrmCapability::strict(),
        };
        let options = CrmOptions::new(self.name()?)
            .with_client("omnisync")
            .with_capability(capability);
        match self {
            Self::Salesforce => salesforce(options, manners),
            Self::Dynamics => dynamics(options, manners),
        }
    }
}

/// The entities that the two share.
pub(crate) fn entities() -> Vec<EntityDefinition> {
    let all = standard::entities().into_iter();
    all.filter(|entity| ENTITIES.contains(&entity.name.as_str()))
        .collect()
}

fn salesforce(options: CrmOptions, manners: Manners) -> Result<CrmOptions, IdError> {
    let mut account = salesforce_account()?;
    let mut product = salesforce_product()?;
    if manners == Manners::All {
        account = account
            .with_trigger(trigger("Phone", "PhoneChanges__c", Derived::Counted)?)
            .with_automation(geocoding()?);
        let copied = Derived::CopyOf(FieldName::new("Color__c")?);
        product = product.with_trigger(trigger("Color__c", "ColorText__c", copied)?);
    }
    let currency = object(
        "CurrencyType",
        "IsoCode",
        [
            ("ConversionRate", number()),
            ("DecimalPlaces", number()),
            ("IsActive", flag()),
            ("SyncStatus__c", text()),
        ],
    )?;
    Ok(options
        .removing_by(Removing::Deletes)
        .with_object(currency)
        .with_object(account)
        .with_object(product))
}

fn salesforce_account() -> Result<CrmObject, IdError> {
    object(
        "Account",
        "AccountNumber",
        [
            ("Name", line()),
            ("Email__c", trimmed().normalised_by(Normaliser::Lowercase)),
            ("Phone", trimmed()),
            ("Fax", trimmed()),
            ("Website", trimmed()),
            ("Description", trimmed()),
            ("AnnualRevenue", number()),
            ("NumberOfEmployees", number()),
            ("ShippingStreet", line()),
            ("ShippingCity", line()),
            ("ShippingState", trimmed()),
            ("ShippingPostalCode", trimmed()),
            ("ShippingCountry", trimmed()),
            ("ShippingLatitude", scaled(5)),
            ("ShippingLongitude", scaled(5)),
            ("PhoneChanges__c", number()),
            ("Industry", text()),
            ("Type", text()),
            ("CurrencyIsoCode", text()),
            ("SyncStatus__c", text()),
        ],
    )
}

fn salesforce_product() -> Result<CrmObject, IdError> {
    object(
        "Product2",
        "ProductCode",
        [
            ("Name", line()),
            ("Description", trimmed()),
            ("Family", text()),
            ("Manufacturer__c", trimmed()),
            ("Brand__c", trimmed()),
            ("Class__c", text()),
            ("Color__c", text()),
            ("ColorText__c", text()),
            ("Size__c", trimmed()),
            ("SizeUnitOfMeasure__c", text()),
            ("Weight__c", scaled(2)),
            ("WeightUnitOfMeasure__c", text()),
            ("AvailableForSaleDate__c", text()),
            ("StopSaleDate__c", text()),
            ("IsActive", flag()),
            ("CurrencyIsoCode", text()),
            ("SyncStatus__c", text()),
        ],
    )
}

fn dynamics(options: CrmOptions, manners: Manners) -> Result<CrmOptions, IdError> {
    let mut account = dynamics_account()?;
    let product = dynamics_product()?;
    if manners == Manners::All {
        let parts = ["name", "address1_city"].map(FieldName::new);
        let label = Derived::Joined(parts.into_iter().collect::<Result<_, _>>()?);
        account = account.with_trigger(trigger("name", "omnisync_label", label)?);
    }
    let currency = object(
        "transactioncurrency",
        "isocurrencycode",
        [
            ("exchangerate", number()),
            ("currencyprecision", number()),
            ("statuscode", number()),
            ("omnisync_syncstatus", text()),
        ],
    )?;
    Ok(options
        .with_object(currency)
        .with_object(account)
        .with_object(product))
}

fn dynamics_account() -> Result<CrmObject, IdError> {
    object(
        "account",
        "accountnumber",
        [
            ("name", short()),
            ("emailaddress1", text()),
            ("telephone1", text()),
            ("fax", text()),
            ("address1_fax", text()),
            ("websiteurl", text()),
            ("description", text()),
            ("revenue", scaled(0)),
            ("numberofemployees", number()),
            ("address1_line1", text()),
            ("address1_city", text()),
            ("address1_stateorprovince", text()),
            ("address1_postalcode", text()),
            ("address1_country", text()),
            ("address1_latitude", scaled(5)),
            ("address1_longitude", scaled(5)),
            ("omnisync_label", text()),
            ("industrycode", number()),
            ("omnisync_syncstatus", text()),
        ],
    )
}

fn dynamics_product() -> Result<CrmObject, IdError> {
    object(
        "product",
        "productnumber",
        [
            ("name", short()),
            ("description", text()),
            ("omnisync_category", number()),
            ("omnisync_manufacturer", text()),
            ("omnisync_brand", text()),
            ("omnisync_class", number()),
            ("omnisync_color", number()),
            ("size", text()),
            ("omnisync_sizeunitofmeasure", number()),
            ("omnisync_weight", scaled(3)),
            ("omnisync_weightunitofmeasure", number()),
            ("validfromdate", text()),
            ("validtodate", text()),
            ("statecode", number()),
            ("price", scaled(2)),
            ("currentcost", scaled(2)),
            ("standardcost", scaled(2)),
            ("transactioncurrencyid", text()),
            ("quantitydecimal", number()),
            ("productstructure", number()),
            ("omnisync_syncstatus", text()),
        ],
    )
}

/// Somebody else looks up where an address lies, and writes it down a while later.
fn geocoding() -> Result<Automation, IdError> {
    let names = ["ShippingStreet", "ShippingCity", "ShippingCountry"].map(FieldName::new);
    let address = names.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut turned = address.clone();
    turned.reverse();
    Ok(Automation {
        when: address.clone(),
        sets: vec![
            (FieldName::new("ShippingLatitude")?, Derived::Place(address)),
            (FieldName::new("ShippingLongitude")?, Derived::Place(turned)),
        ],
        user: GEOCODER.to_owned(),
        delay: GEOCODING,
    })
}

fn object<const N: usize>(
    name: &str,
    key: &str,
    columns: [(&str, CrmField); N],
) -> Result<CrmObject, IdError> {
    let key = FieldName::new(key)?;
    let mut object = CrmObject::new(name)
        .with_field(key.clone(), text().normalised_by(Normaliser::Trim))
        .with_key([key]);
    for (column, field) in columns {
        object = object.with_field(FieldName::new(column)?, field);
    }
    Ok(object)
}

fn trigger(when: &str, sets: &str, to: Derived) -> Result<Trigger, IdError> {
    Ok(Trigger {
        when: FieldName::new(when)?,
        sets: FieldName::new(sets)?,
        to,
    })
}

const fn text() -> CrmField {
    CrmField::text()
}

const fn number() -> CrmField {
    CrmField::number()
}

const fn flag() -> CrmField {
    CrmField::flag()
}

fn trimmed() -> CrmField {
    text().normalised_by(Normaliser::Trim)
}

fn line() -> CrmField {
    trimmed().normalised_by(Normaliser::CollapseSpace)
}

fn short() -> CrmField {
    text().normalised_by(Normaliser::Truncate {
        characters_max: NAME_CHARACTERS_MAX,
    })
}

fn scaled(digits: u32) -> CrmField {
    number().normalised_by(Normaliser::Scale { digits })
}
