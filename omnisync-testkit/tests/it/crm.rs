//! A fake CRM as a fixture of the contract.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omnisync_core::crm::{FieldName, Fields, ForeignId, Native, SystemName};
use omnisync_core::port::{CrmCapability, CrmRecord, CrmSink};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::contract::{CrmDesk, CrmSinkFixture};
use omnisync_testkit::fake::crm::{
    Automation, CrmField, CrmObject, CrmOptions, Derived, FakeCrm, Normaliser, Removing, Trigger,
};

pub(crate) const ACCOUNT: &str = "Account";

pub(crate) fn field(name: &str) -> FieldName {
    FieldName::new(name).unwrap()
}

pub(crate) fn text(text: &str) -> Native {
    Native::Text(text.to_owned())
}

pub(crate) fn number(text: &str) -> Native {
    Native::Number(text.parse().unwrap())
}

pub(crate) fn fields(fields: &[(&str, Native)]) -> Fields<Native> {
    let fields = fields.iter();
    fields
        .map(|(name, value)| (field(name), value.clone()))
        .collect()
}

/// An account with everything that an object can have.
pub(crate) fn account() -> CrmObject {
    CrmObject::new(ACCOUNT)
        .with_field(field("Number"), CrmField::text().required())
        .with_field(field("City"), CrmField::text())
        .with_field(field("River"), CrmField::text())
        .with_field(
            field("Code"),
            CrmField::text()
                .normalised_by(Normaliser::Trim)
                .normalised_by(Normaliser::Uppercase)
                .refusing(text("forbidden")),
        )
        .with_field(
            field("Revenue"),
            CrmField::number().normalised_by(Normaliser::Scale { digits: 2 }),
        )
        .with_field(
            field("Rating"),
            CrmField::text().normalised_by(Normaliser::EmptyBecomes(text("Cold"))),
        )
        .with_field(field("Owner"), CrmField::text().ignored_on_write())
        .with_field(field("Label"), CrmField::text())
        .with_field(field("Moves"), CrmField::number())
        .with_field(field("Latitude"), CrmField::number())
        .with_key([field("Number")])
        .with_trigger(Trigger {
            when: field("City"),
            sets: field("Label"),
            to: Derived::Joined(vec![field("Number"), field("City")]),
        })
        .with_trigger(Trigger {
            when: field("City"),
            sets: field("Moves"),
            to: Derived::Counted,
        })
        .with_automation(Automation {
            when: vec![field("City")],
            sets: vec![(field("Latitude"), Derived::Place(vec![field("City")]))],
            user: "geocoder".to_owned(),
            delay: chrono::TimeDelta::seconds(1),
        })
}

pub(crate) fn options() -> CrmOptions {
    CrmOptions::new(SystemName::new("crm").unwrap()).with_object(account())
}

pub(crate) struct Crm {
    pub(crate) clock: ManualClock,
    pub(crate) fake: FakeCrm,
    pub(crate) wrap: Box<dyn Fn(FakeCrm) -> Arc<dyn CrmSink> + Send + Sync>,
    pub(crate) forgets_at_once: bool,
}

impl Crm {
    pub(crate) fn new(options: CrmOptions) -> Self {
        let clock = ManualClock::default();
        Self {
            fake: FakeCrm::new(Arc::new(clock.clone()), options),
            clock,
            wrap: Box::new(|fake| Arc::new(fake)),
            forgets_at_once: false,
        }
    }

    /// Records are deleted, and nothing is known of them afterwards.
    pub(crate) fn forgetting() -> Self {
        let capability = CrmCapability::strict().without_restore();
        let options = options()
            .with_capability(capability)
            .removing_by(Removing::Deletes)
            .forgetting_after(Duration::ZERO);
        Self {
            forgets_at_once: true,
            ..Self::new(options)
        }
    }

    pub(crate) fn able(capability: CrmCapability) -> Self {
        Self::new(options().with_capability(capability))
    }
}

#[async_trait]
impl CrmSinkFixture for Crm {
    async fn sink(&self) -> Arc<dyn CrmSink> {
        (self.wrap)(self.fake.clone())
    }

    fn desk(&self) -> CrmDesk {
        CrmDesk {
            object: ACCOUNT.to_owned(),
            key: field("Number"),
            texts: [field("City"), field("River")],
            required: Fields::new(),
            refused: (field("Code"), text("forbidden")),
            normalised: Some((field("Code"), text(" ab "), text("AB"))),
            absent: ForeignId::new("crm-4711").unwrap(),
            forgets_at_once: self.forgets_at_once,
        }
    }

    async fn edit(&self, record: &CrmRecord, field: &FieldName, value: Native) {
        let fields = [(field.clone(), value)].into_iter().collect();
        self.fake.edit(&record.id, fields, "ann").unwrap();
    }

    async fn delete(&self, record: &CrmRecord) {
        self.fake.delete_by(&record.id, "ann").unwrap();
    }

    async fn merge(&self, loser: &CrmRecord, winner: &CrmRecord) -> bool {
        let merged = self.fake.merge_by(&loser.id, &winner.id, &[], "ann");
        merged.is_ok() && !self.forgets_at_once
    }

    async fn forget(&self, record: &CrmRecord) -> bool {
        self.fake.forget(&record.id)
    }

    async fn outlive_cursors(&self) -> bool {
        self.fake.forget_changes();
        true
    }

    async fn pass_unit(&self) {
        self.clock.advance(Duration::from_secs(1));
    }
}
