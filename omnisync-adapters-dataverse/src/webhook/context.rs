use omnisync_core::json::{Json, Limits};
use uuid::Uuid;

use super::date::ClrDate;
use super::error::DecodeError;
use super::read;
use super::value::{Columns, EntityReference, Parameters, Raw};

/// What is read of an event at most. A webhook carries 256 KB and a queue 192 KB; spaces between
/// values and escapes may make more of it.
pub const LIMITS: Limits = Limits {
    bytes_max: 512 * 1024,
    depth_max: 96,
    values_max: 150_000,
};

/// Operations around an operation that are read. The platform ends a chain after eight.
const PARENTS_MAX: usize = 16;

/// Header of a webhook whose body was too large and was cut.
const SIZE_EXCEEDED_HEADER: &str = "x-ms-dynamics-msg-size-exceeded";

/// The same as a property of a message in a queue.
const SIZE_EXCEEDED_PROPERTY: &str = "MessageMaxSizeExceeded";

/// The context of an operation on a record, as Dataverse sends it to webhooks, queues and event hubs
/// and Finance & Operations in its data events.
///
/// Everything may be missing. What a member of a known name holds has to be what belongs there, or
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ExecutionContext {
    /// `MessageName`: `Create`, `Update`, `Assign`.
    pub message: Option<String>,
    /// `PrimaryEntityName`, the table by its logical name.
    pub entity: Option<String>,
    /// `PrimaryEntityId`.
    pub record: Option<Uuid>,
    /// `SecondaryEntityName`.
    pub secondary_entity: Option<String>,
    /// `OrganizationId`
    pub organization: Option<Uuid>,
    /// `OrganizationName`
    pub organization_name: Option<String>,
    /// `BusinessUnitId`
    pub business_unit: Option<Uuid>,
    /// `OperationId`: of an asynchronous step its system job.
    pub operation: Option<Uuid>,
    /// `RequestId`
    pub request: Option<Uuid>,
    /// `CorrelationId`
    pub correlation: Option<Uuid>,
    /// `UserId`: in whose name it runs.
    pub user: Option<Uuid>,
    /// `UserAzureActiveDirectoryObjectId`
    pub user_object: Option<Uuid>,
    /// `InitiatingUserId`: who set it off.
    pub initiating_user: Option<Uuid>,
    /// `InitiatingUserAzureActiveDirectoryObjectId`
    pub initiating_user_object: Option<Uuid>,
    /// `InitiatingUserAgent`
    pub initiating_user_agent: Option<String>,
    /// `Depth`: 1 for what was asked for, more for what plug-ins did then.
    pub depth: Option<i64>,
    /// `Mode`: 0 synchronous, 1 asynchronous.
    pub mode: Option<i64>,
    /// `Stage`: 40 after the operation.
    pub stage: Option<i64>,
    /// `IsolationMode`
    pub isolation_mode: Option<i64>,
    /// `OperationCreatedOn`. Asynchronous steps were seen to shift it by the offset of the user.
    pub operation_created: Option<ClrDate>,
    /// `IsInTransaction`: the operation may still be rolled back.
    pub is_in_transaction: Option<bool>,
    /// `IsExecutingOffline`
    pub is_executing_offline: Option<bool>,
    /// `IsOfflinePlayback`
    pub is_offline_playback: Option<bool>,
    /// `InputParameters`; `None` where the event was too large and they were left out.
    pub input: Option<Parameters>,
    /// `OutputParameters`
    pub output: Parameters,
    /// `SharedVariables`
    pub shared: Columns,
    /// `PreEntityImages`
    pub pre_images: Columns,
    /// `PostEntityImages`
    pub post_images: Columns,
    /// `OwningExtension`: the registered step.
    pub owning_extension: Option<EntityReference>,
    /// `ParentContext`: the operation within which this one ran.
    pub parent: Option<Box<Self>>,
    /// What an event of Finance & Operations has on top.
    pub business_event: BusinessEvent,
    /// Members that are not known here, by their names.
    pub unknown: Vec<(String, Raw)>,
}

/// What an event of Finance & Operations has on top of the context.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BusinessEvent {
    /// `BusinessEventId`, the kind of event: `CustCustomerV3Entity_DataEvent_Create`.
    pub name: Option<String>,
    /// `EventId`, the one event.
    pub id: Option<String>,
    /// `EventTime`
    pub time: Option<ClrDate>,
}

impl ExecutionContext {
    /// Reads the body of an event in JSON.
    ///
    /// # Errors
    /// [`DecodeError`], but for [`DecodeError::NoRecord`]: such a body is no event of this kind.
    pub fn read(body: &[u8]) -> Result<Self, DecodeError> {
        Self::from_json(&read::document(body, &LIMITS)?, 0)
    }

    /// The same event, when its transport says that it was cut: see [`says_size_exceeded`]. What
    /// may be incomplete is not looked at.
    #[must_use]
    pub fn into_cut(mut self) -> Self {
        self.input = None;
        self
    }

    /// True where the event was too large: which record it is about is known, and no more.
    pub const fn is_cut(&self) -> bool {
        self.input.is_none()
    }

    pub(super) fn from_json(document: &Json<'_>, level: usize) -> Result<Self, DecodeError> {
        let mut context = Self::default();
        for (name, value) in read::members(document)? {
            let is_known = context
                .take_identity(name, value)
                .and_then(|is_known| Ok(is_known || context.take_state(name, value)?))
                .and_then(|is_known| Ok(is_known || context.take_values(name, value, level)?))
                .map_err(|error| error.below(name))?;
            if !is_known && name != "__type" {
                let raw = Raw(value.raw.to_owned());
                context.unknown.push((name.clone().into_owned(), raw));
            }
        }
        Ok(context)
    }

    /// Who, where and in which operation. False for other members.
    fn take_identity(&mut self, name: &str, value: &Json<'_>) -> Result<bool, DecodeError> {
        match name {
            "MessageName" => self.message = read::filled_text(value)?,
            "PrimaryEntityName" => self.entity = read::table(value)?,
            "PrimaryEntityId" => self.record = read::guid(value)?,
            "SecondaryEntityName" => self.secondary_entity = read::table(value)?,
            "OrganizationId" => self.organization = read::guid(value)?,
            "OrganizationName" => self.organization_name = read::filled_text(value)?,
            "BusinessUnitId" => self.business_unit = read::guid(value)?,
            "OperationId" => self.operation = read::guid(value)?,
            "RequestId" => self.request = read::guid(value)?,
            "CorrelationId" => self.correlation = read::guid(value)?,
            "UserId" => self.user = read::guid(value)?,
            "UserAzureActiveDirectoryObjectId" => self.user_object = read::guid(value)?,
            "InitiatingUserId" => self.initiating_user = read::guid(value)?,
            "InitiatingUserAzureActiveDirectoryObjectId" => {
                self.initiating_user_object = read::guid(value)?;
            }
            "InitiatingUserAgent" => self.initiating_user_agent = read::filled_text(value)?,
            "BusinessEventId" => self.business_event.name = read::filled_text(value)?,
            "EventId" => self.business_event.id = read::filled_text(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// When and how it ran. False for other members.
    fn take_state(&mut self, name: &str, value: &Json<'_>) -> Result<bool, DecodeError> {
        match name {
            "Depth" => self.depth = read::integer(value)?,
            "Mode" => self.mode = read::integer(value)?,
            "Stage" => self.stage = read::integer(value)?,
            "IsolationMode" => self.isolation_mode = read::integer(value)?,
            "OperationCreatedOn" => self.operation_created = read::date(value)?,
            "EventTime" => self.business_event.time = read::date(value)?,
            "IsInTransaction" => self.is_in_transaction = read::boolean(value)?,
            "IsExecutingOffline" => self.is_executing_offline = read::boolean(value)?,
            "IsOfflinePlayback" => self.is_offline_playback = read::boolean(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What it was told and did. False for other members.
    fn take_values(
        &mut self,
        name: &str,
        value: &Json<'_>,
        level: usize,
    ) -> Result<bool, DecodeError> {
        match name {
            "InputParameters" | "OwningExtension" | "ParentContext" if value.is_null() => {}
            "InputParameters" => self.input = Some(Columns::read(value)?),
            "OutputParameters" => self.output = Columns::read(value)?,
            "SharedVariables" => self.shared = Columns::read(value)?,
            "PreEntityImages" => self.pre_images = Columns::read(value)?,
            "PostEntityImages" => self.post_images = Columns::read(value)?,
            "OwningExtension" => {
                let reference = EntityReference::read(read::members(value)?)?;
                self.owning_extension = Some(reference);
            }
            "ParentContext" if level >= PARENTS_MAX => {
                return Err(DecodeError::TooManyParents {
                    levels_max: PARENTS_MAX,
                    pointer: omnisync_core::json::Pointer::root(),
                });
            }
            "ParentContext" => self.parent = Some(Box::new(Self::from_json(value, level + 1)?)),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// True where the headers of a webhook, or the properties of a message, say that the event was too
/// large for them. The size is that of the platform: a body may be whole and larger than the cut
/// one.
pub fn says_size_exceeded<'h>(headers: impl IntoIterator<Item = (&'h str, &'h str)>) -> bool {
    let names = [SIZE_EXCEEDED_HEADER, SIZE_EXCEEDED_PROPERTY];
    headers.into_iter().any(|(name, value)| {
        names.iter().any(|known| known.eq_ignore_ascii_case(name))
            && !value.trim().eq_ignore_ascii_case("false")
    })
}
