//! How a CRM behaves.

use std::collections::BTreeMap;
use std::time::Duration;

use omnisync_core::crm::SystemName;
use omnisync_core::port::CrmCapability;

use super::object::CrmObject;

/// How a [`FakeCrm`](super::FakeCrm) behaves.
#[derive(Debug, Clone)]
pub struct CrmOptions {
    pub(super) name: SystemName,
    pub(super) objects: BTreeMap<String, CrmObject>,
    pub(super) capability: CrmCapability,
    pub(super) unit: Duration,
    pub(super) removing: Removing,
    pub(super) forgets_after: Option<Duration>,
    pub(super) changes_kept_for: Option<Duration>,
    pub(super) user: String,
    pub(super) client: Option<String>,
    pub(super) tells_versions: bool,
    pub(super) ignores_equal_values: bool,
}

/// What becomes of a record that is taken out of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removing {
    /// It is deactivated: it keeps its values and its key, and tells its version.
    Deactivates,
    /// It is deleted: its key is free, and only its id is known.
    Deletes,
}

impl CrmOptions {
    /// A system that can do everything and has no object. Records are called after it:
    /// `salesforce-1`.
    pub fn new(name: SystemName) -> Self {
        Self {
            name,
            objects: BTreeMap::new(),
            capability: CrmCapability::strict(),
            unit: Duration::from_secs(1),
            removing: Removing::Deactivates,
            forgets_after: None,
            changes_kept_for: None,
            user: "integration".to_owned(),
            client: None,
            tells_versions: true,
            ignores_equal_values: false,
        }
    }

    /// The same with one more object.
    #[must_use]
    pub fn with_object(mut self, object: CrmObject) -> Self {
        self.objects.insert(object.name.clone(), object);
        self
    }

    /// The same, but it can do this. Default: everything.
    #[must_use]
    pub const fn with_capability(mut self, capability: CrmCapability) -> Self {
        self.capability = capability;
        self
    }

    /// The same; its weak conditions tell changes apart by a clock of this unit. Default 1
    /// second.
    #[must_use]
    pub const fn with_unit(mut self, unit: Duration) -> Self {
        self.unit = unit;
        self
    }

    /// The same, but records are taken out of use so. Default: they are deactivated.
    #[must_use]
    pub const fn removing_by(mut self, removing: Removing) -> Self {
        self.removing = removing;
        self
    }

    /// The same, but records that are out of use are forgotten after this time. Default: never.
    #[must_use]
    pub const fn forgetting_after(mut self, time: Duration) -> Self {
        self.forgets_after = Some(time);
        self
    }

    /// The same, but a cursor of changes is too old when a change behind it is older than this.
    /// Default: never.
    #[must_use]
    pub const fn keeping_changes_for(mut self, time: Duration) -> Self {
        self.changes_kept_for = Some(time);
        self
    }

    /// The same; the integration works in the name of this user. Default `integration`.
    #[must_use]
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// The same; the integration announces itself by this name. Default: by none.
    #[must_use]
    pub fn with_client(mut self, client: impl Into<String>) -> Self {
        self.client = Some(client.into());
        self
    }

    /// The same, but its receipts do not tell versions.
    #[must_use]
    pub const fn without_versions_in_receipts(mut self) -> Self {
        self.tells_versions = false;
        self
    }

    /// The same, but a write that changes nothing leaves the version alone and makes no event.
    /// Default: it counts as a change.
    #[must_use]
    pub const fn ignoring_equal_values(mut self) -> Self {
        self.ignores_equal_values = true;
        self
    }
}
