//! Events as the platform writes them, made up.

use omnisync_adapters_dataverse::webhook::{Entity, ExecutionContext};
use omnisync_core::crm::{Hint, HintScope};
use serde_json::{Value, json};

pub(super) const RECORD: &str = "a1b2c3d4-0000-4000-8000-000000000001";
pub(super) const OTHER: &str = "a1b2c3d4-0000-4000-8000-000000000002";
pub(super) const USER: &str = "a1b2c3d4-0000-4000-8000-00000000000a";
pub(super) const ORGANIZATION: &str = "a1b2c3d4-0000-4000-8000-00000000000b";
pub(super) const OPERATION: &str = "a1b2c3d4-0000-4000-8000-00000000000c";

/// 2026-03-14T08:00:00Z
pub(super) const MODIFIED_MS: i64 = 1_773_475_200_000;

pub(super) fn typed(name: &str, mut value: Value) -> Value {
    value["__type"] = json!(format!(
        "{name}:http://schemas.microsoft.com/xrm/2011/Contracts"
    ));
    value
}

pub(super) fn pair(key: &str, value: &Value) -> Value {
    json!({"key": key, "value": value})
}

pub(super) fn reference(table: &str, id: &str) -> Value {
    typed(
        "EntityReference",
        json!({"Id": id, "LogicalName": table, "Name": null, "KeyAttributes": [], "RowVersion": null}),
    )
}

pub(super) fn entity(table: &str, id: &str, attributes: &[Value]) -> Value {
    typed(
        "Entity",
        json!({
            "Id": id, "LogicalName": table, "Attributes": attributes, "EntityState": null,
            "FormattedValues": [], "KeyAttributes": [], "RelatedEntities": [], "RowVersion": "5948260",
        }),
    )
}

/// An update of an account by a person, with these columns on top of those of the platform.
pub(super) fn update(attributes: &[Value]) -> Value {
    let system = [
        pair("accountid", &json!(RECORD)),
        pair("modifiedon", &json!(format!("/Date({MODIFIED_MS})/"))),
        pair("modifiedby", &reference("systemuser", USER)),
        pair("modifiedonbehalfby", &Value::Null),
    ];
    let attributes = [attributes, &system].concat();
    message(
        "Update",
        &[pair("Target", &entity("account", RECORD, &attributes))],
    )
}

pub(super) fn message(name: &str, input: &[Value]) -> Value {
    json!({
        "MessageName": name,
        "PrimaryEntityName": "account",
        "PrimaryEntityId": RECORD,
        "SecondaryEntityName": "none",
        "OrganizationId": ORGANIZATION,
        "OrganizationName": "acme",
        "BusinessUnitId": OTHER,
        "OperationId": OPERATION,
        "RequestId": null,
        "CorrelationId": OTHER,
        "UserId": USER,
        "InitiatingUserId": USER,
        "InitiatingUserAgent": "",
        "InitiatingUserAzureActiveDirectoryObjectId": "00000000-0000-0000-0000-000000000000",
        "Depth": 1, "Mode": 1, "Stage": 40, "IsolationMode": 1,
        "IsInTransaction": false, "IsExecutingOffline": false, "IsOfflinePlayback": false,
        "OperationCreatedOn": "/Date(1773475201500+0000)/",
        "InputParameters": input,
        "OutputParameters": [], "SharedVariables": [],
        "PreEntityImages": [], "PostEntityImages": [],
        "OwningExtension": {"Id": OTHER, "LogicalName": "sdkmessageprocessingstep", "Name": "Step",
            "KeyAttributes": [], "RowVersion": null},
        "ParentContext": null,
    })
}

pub(super) fn read(event: &Value) -> ExecutionContext {
    ExecutionContext::read(event.to_string().as_bytes()).unwrap()
}

/// The record of the only hint, and the hint.
pub(super) fn hint(event: &Value) -> (String, Hint) {
    let hints = read(event).hints().unwrap();
    assert_eq!(hints.len(), 1);
    (record(&hints[0]), hints[0].clone())
}

/// The only record of a hint.
pub(super) fn record(hint: &Hint) -> String {
    match &hint.scope {
        HintScope::Records(ids) if ids.len() == 1 => ids[0].as_str().to_owned(),
        other => panic!("{other:?}"),
    }
}

pub(super) fn fields(hint: &Hint) -> Vec<&str> {
    hint.fields.iter().map(AsRef::as_ref).collect()
}

/// The target of an event.
pub(super) fn target(context: &ExecutionContext) -> &Entity {
    use omnisync_adapters_dataverse::webhook::ContextValue;
    match context.input.as_ref().unwrap().get("Target") {
        Some(ContextValue::Entity(entity)) => entity,
        other => panic!("{other:?}"),
    }
}
