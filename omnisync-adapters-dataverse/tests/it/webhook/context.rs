use omnisync_adapters_dataverse::webhook::{ContextValue, DecodeError, ExecutionContext};
use serde_json::{Value, json};

use super::fixture::{
    OTHER, RECORD, USER, entity, message, pair, read, reference, target, typed, update,
};

/// The one attribute of an update, read back.
fn attribute(value: &Value) -> ContextValue {
    let context = read(&update(&[pair("x", value)]));
    target(&context).attributes.get("x").unwrap().clone()
}

#[test]
fn every_known_kind_of_value_is_read() {
    let option = |number: i64| typed("OptionSetValue", json!({"Value": number}));
    assert_eq!(attribute(&Value::Null), ContextValue::Null);
    assert_eq!(attribute(&json!(true)), ContextValue::Boolean(true));
    assert_eq!(
        attribute(&json!("a/b")),
        ContextValue::Text("a/b".to_owned())
    );
    assert_eq!(attribute(&option(3)), ContextValue::Choice(3));
    assert_eq!(
        attribute(&json!([option(3), option(-1)])),
        ContextValue::Choices(vec![3, -1])
    );
    assert_eq!(attribute(&json!([])), ContextValue::List(Vec::new()));
    let ContextValue::Reference(owner) = attribute(&reference("systemuser", USER)) else {
        panic!("no reference");
    };
    assert_eq!(owner.logical_name.as_deref(), Some("systemuser"));
    assert_eq!(owner.id.unwrap().to_string(), USER);
    let collection = typed(
        "EntityCollection",
        json!({"EntityName": "contact", "Entities": [entity("contact", OTHER, &[])]}),
    );
    let ContextValue::Entities(contacts) = attribute(&collection) else {
        panic!("no entities");
    };
    assert_eq!(contacts[0].id.unwrap().to_string(), OTHER);
    let aliased = typed(
        "AliasedValue",
        json!({"EntityLogicalName": "contact", "AttributeLogicalName": "age", "Value": 7}),
    );
    let ContextValue::Aliased { value, .. } = attribute(&aliased) else {
        panic!("no aliased value");
    };
    assert_eq!(*value, ContextValue::Number(7.into()));
}

#[test]
fn numbers_keep_every_digit() {
    let body = |number: &str| {
        let event = update(&[
            pair("x", &json!("@")),
            pair("y", &typed("Money", json!({"Value": "@"}))),
        ]);
        event.to_string().replace("\"@\"", number)
    };
    let values = |number: &str| {
        let context = ExecutionContext::read(body(number).as_bytes()).unwrap();
        let attributes = &target(&context).attributes;
        [
            attributes.get("x").unwrap().clone(),
            attributes.get("y").unwrap().clone(),
        ]
    };
    for number in [
        "79228162514264337593.543950335",
        "0.1",
        "-100.00",
        "9007199254740993",
    ] {
        let exact = number.parse().unwrap();
        assert_eq!(
            values(number),
            [ContextValue::Number(exact), ContextValue::Money(exact)]
        );
    }
    // What cannot be exact is kept as it was written.
    for value in values("1.7976931348623157E+308") {
        assert_eq!(value.kind_name(), "other");
    }
}

#[test]
fn a_type_is_found_wherever_it_stands_and_where_it_is_missing() {
    let target_text = |body: &str| {
        let body = format!(
            r#"{{"MessageName":"Update","InputParameters":[{{"value":{body},"key":"Target"}}]}}"#
        );
        let context = ExecutionContext::read(body.as_bytes()).unwrap();
        let entity = target(&context);
        assert_eq!(entity.logical_name.as_deref(), Some("account"));
        assert_eq!(entity.attributes.len(), 1);
    };
    let ty = r#""__type":"Entity:http:\/\/schemas.microsoft.com/xrm\/2011/Contracts""#;
    let attributes = r#""Attributes":[{"key":"name","value":"A"}]"#;
    target_text(&format!(r#"{{{ty},{attributes},"LogicalName":"account"}}"#));
    target_text(&format!(r#"{{{attributes},{ty},"LogicalName":"account"}}"#));
    target_text(&format!(r#"{{"LogicalName":"account",{attributes},{ty}}}"#));
    target_text(&format!(r#"{{"LogicalName":"account",{attributes}}}"#));
}

#[test]
fn dates_are_read_with_and_without_escapes_and_offsets() {
    for text in [
        r"/Date(1773475200000)/",
        r"\/Date(1773475200000)\/",
        r"\/Date(1773475200000-0700)/",
        r"/Date(1773475200000+0530)\/",
    ] {
        let body = format!(r#"{{"OperationCreatedOn":"{text}"}}"#);
        let context = ExecutionContext::read(body.as_bytes()).unwrap();
        let date = context.operation_created.unwrap();
        assert_eq!(date.instant.timestamp_millis(), 1_773_475_200_000, "{text}");
    }
}

#[test]
fn unknown_types_and_members_are_kept_as_they_were_written() {
    let managed = typed(
        "BooleanManagedProperty",
        json!({"CanBeChanged": true, "Value": false}),
    );
    let ContextValue::Other { type_name, raw } = attribute(&managed) else {
        panic!("known");
    };
    assert_eq!(type_name.as_deref(), Some("BooleanManagedProperty"));
    assert_eq!(raw.0, managed.to_string());
    let mut event = update(&[]);
    event["NewMember"] = json!({"a": [1]});
    let context = read(&event);
    assert_eq!(context.unknown.len(), 1);
    assert_eq!(context.unknown[0].0, "NewMember");
    assert_eq!(context.unknown[0].1.0, r#"{"a":[1]}"#);
    // A value of another form than its type says is one of an unknown type.
    let odd = attribute(&typed("OptionSetValue", json!({"Value": "three"})));
    assert_eq!(odd.kind_name(), "other");
}

#[test]
fn ids_are_compared_in_one_form() {
    let mut event = message("Update", &[]);
    event["PrimaryEntityId"] = json!(format!("{{{}}}", RECORD.to_uppercase()));
    let context = read(&event);
    assert_eq!(context.record.unwrap().to_string(), RECORD);
    assert_eq!(context.initiating_user.unwrap().to_string(), USER);
    // What stands for nothing is nothing.
    assert_eq!(context.initiating_user_object, None);
    assert_eq!(context.initiating_user_agent, None);
    assert_eq!(context.secondary_entity, None);
    assert_eq!(context.request, None);
    assert_eq!(
        context.owning_extension.unwrap().name.as_deref(),
        Some("Step")
    );
}

#[test]
fn every_member_may_be_missing() {
    let context = read(&json!({}));
    assert!(context.is_cut());
    assert_eq!(context.identity(), None);
    assert_eq!(context.hints(), Err(DecodeError::NoRecord));
}

#[test]
fn parents_are_read_up_to_a_limit() {
    let nested = |levels: usize| {
        (0..levels).fold(message("Update", &[]), |inner, _| {
            let mut outer = message("Update", &[]);
            outer["ParentContext"] = inner;
            outer
        })
    };
    let context = read(&nested(16));
    let parents = std::iter::successors(context.parent.as_deref(), |c| c.parent.as_deref());
    assert_eq!(parents.count(), 16);
    let error = ExecutionContext::read(nested(17).to_string().as_bytes()).unwrap_err();
    let DecodeError::TooManyParents {
        levels_max,
        pointer,
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!(levels_max, 16);
    assert_eq!(pointer.to_string(), "/ParentContext".repeat(17));
}

#[track_caller]
fn check_refused(event: &Value, expected: &str) {
    let canary = "CANARY";
    let error = ExecutionContext::read(event.to_string().as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), expected);
    assert!(!format!("{error:?}").contains(canary));
}

#[test]
fn what_does_not_belong_is_named_by_its_place_and_not_quoted() {
    let with = |name: &str, value: Value| {
        let mut event = update(&[]);
        event[name] = value;
        event
    };
    check_refused(&json!([]), "expected an object at \"\" of the event");
    check_refused(
        &with("PrimaryEntityId", json!("CANARY")),
        "expected a guid at \"/PrimaryEntityId\" of the event",
    );
    check_refused(
        &with("Depth", json!("CANARY")),
        "expected a whole number at \"/Depth\" of the event",
    );
    check_refused(
        &with("OperationCreatedOn", json!("CANARY")),
        "expected a date as /Date(ms)/ at \"/OperationCreatedOn\" of the event",
    );
    check_refused(
        &with("SharedVariables", json!({"CANARY": 1})),
        "expected an array at \"/SharedVariables\" of the event",
    );
    check_refused(
        &with(
            "ParentContext",
            json!({"InputParameters": [{"key": "Target"}, {"value": 1}]}),
        ),
        "expected a key at \"/ParentContext/InputParameters/1\" of the event",
    );
    let owner = typed(
        "EntityReference",
        json!({"Id": "CANARY", "LogicalName": "team"}),
    );
    check_refused(
        &update(&[pair("ownerid", &owner)]),
        "expected a guid at \"/InputParameters/0/value/Attributes/0/value/Id\" of the event",
    );
}

#[test]
fn what_people_wrote_is_not_shown() {
    let canary = "CANARY";
    let mut event = update(&[
        pair("name", &json!(canary)),
        pair("x", &json!({"y": canary})),
    ]);
    event["NewMember"] = json!(canary);
    event["OwningExtension"]["Name"] = json!(canary);
    assert!(!format!("{:?}", read(&event)).contains(canary));
}

#[test]
fn bodies_beyond_the_limits_are_refused() {
    let large = update(&[pair("description", &json!("x".repeat(600 * 1024)))]);
    let error = ExecutionContext::read(large.to_string().as_bytes()).unwrap_err();
    assert!(matches!(error, DecodeError::Json(_)), "{error}");
    let whole = update(&[pair("description", &json!("x".repeat(256 * 1024)))]);
    assert!(!read(&whole).is_cut());
}
