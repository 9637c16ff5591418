//! Events that were recorded from real environments.

use omnisync_adapters_dataverse::webhook::{ExecutionContext, describe};
use omnisync_core::crm::{ChangeKind, Hint};
use serde_json::Value;

use super::fixture::{fields, record};

fn bytes(name: &str) -> Vec<u8> {
    let Some(samples) = std::env::var_os("OMNISYNC_SAMPLES") else {
        panic!("OMNISYNC_SAMPLES is not set: the recorded events were not read");
    };
    let folder = std::path::Path::new(&samples).join("dynamics");
    std::fs::read(folder.join(name)).unwrap()
}

fn only_hint(context: &ExecutionContext) -> Hint {
    let hints = context.hints().unwrap();
    assert_eq!(hints.len(), 1);
    hints[0].clone()
}

#[test]
#[ignore = "needs OMNISYNC_SAMPLES"]
fn an_update_of_the_samples_is_read() {
    let context = ExecutionContext::read(&bytes("contact-update-async.json")).unwrap();
    let hint = only_hint(&context);
    assert_eq!(hint.object, "contact");
    assert_eq!(record(&hint), "6d81597f-0f9f-e711-8122-000d3aa2331c");
    assert_eq!(hint.kind, ChangeKind::Update);
    assert_eq!(
        hint.origin.user.as_deref(),
        Some("75c2dd85-e89e-e711-8122-000d3aa2331c")
    );
    assert_eq!(hint.origin.client, None);
    assert_eq!(fields(&hint), ["firstname", "fullname", "yomifullname"]);
    // The operation lies seven hours later by its own word.
    assert_eq!(hint.at, "2017-09-26T00:04:07Z".parse().ok());
    let operation = context.operation_created.unwrap();
    assert_eq!(operation.offset_minutes, Some(-420));
    assert_eq!(
        (operation.instant - hint.at.unwrap()).num_seconds(),
        7 * 3_600 + 1
    );
    assert_eq!(context.mode, Some(1));
    assert_eq!(context.request, None);
    assert_eq!(context.post_images.len(), 1);
    assert_eq!(context.parent.as_ref().unwrap().stage, Some(30));
    assert!(context.unknown.is_empty());
    assert_eq!(
        context.identity().as_deref(),
        Some(
            "4ef5b371-e89e-e711-8122-000d3aa2331c:4af10637-4ea2-e711-8122-000d3aa2331c:1:Update:\
             6d81597f-0f9f-e711-8122-000d3aa2331c"
        )
    );
}

#[test]
#[ignore = "needs OMNISYNC_SAMPLES"]
fn a_create_of_the_samples_is_read() {
    let context = ExecutionContext::read(&bytes("agentstatus-create-sync.json")).unwrap();
    let hint = only_hint(&context);
    assert_eq!(hint.object, "msdyn_agentstatus");
    assert_eq!(record(&hint), "4b1e3d75-a749-ef11-acce-00224802d26d");
    assert_eq!(hint.kind, ChangeKind::Create);
    assert_eq!(
        hint.origin.user.as_deref(),
        Some("09eb2446-db10-ef11-9f8a-6045bdd4c6be")
    );
    assert_eq!(hint.at, "2024-07-24T10:28:25Z".parse().ok());
    assert_eq!(
        fields(&hint),
        [
            "msdyn_capacitymodifiedon",
            "owningbusinessunit",
            "msdyn_presencemodifiedby",
            "msdyn_currentpresenceid",
            "msdyn_presencemodifiedon",
            "statecode",
            "statuscode",
            "msdyn_isagentloggedin",
            "msdyn_agentid",
            "ownerid",
            "msdyn_availableunitscapacity",
            "msdyn_isblockedbysomeprofile",
            "owninguser",
        ]
    );
    assert_eq!(context.is_in_transaction, Some(true));
    assert_eq!(context.operation, context.request);
    assert_eq!(context.initiating_user_object, None);
    assert!(context.unknown.is_empty());
    let shown = describe(&bytes("agentstatus-create-sync.json")).unwrap();
    let parent = &shown["context"]["parentContext"]["inputParameters"]["Target"]["entity"];
    assert_eq!(
        parent["attributes"]["msdyn_capacitymodifiedon"],
        "2024-07-24T08:26:41.096Z"
    );
    assert_eq!(parent["attributes"]["msdyn_availableunitscapacity"], "100");
}

#[test]
#[ignore = "needs OMNISYNC_SAMPLES"]
fn the_samples_give_the_same_hint_however_they_are_written() {
    for name in ["contact-update-async.json", "agentstatus-create-sync.json"] {
        let text = String::from_utf8(bytes(name)).unwrap();
        let context = ExecutionContext::read(text.as_bytes()).unwrap();
        let slashes = text.replace("\\/", "/");
        assert_eq!(ExecutionContext::read(slashes.as_bytes()).unwrap(), context);
        // Members in the order of their names, and so types behind capitals.
        let sorted = serde_json::from_str::<Value>(&text).unwrap().to_string();
        let sorted = ExecutionContext::read(sorted.as_bytes()).unwrap();
        assert_eq!(sorted.input, context.input);
        assert_eq!(sorted.hints(), context.hints());

        let mut document: Value = serde_json::from_str(&text).unwrap();
        let members = document.as_object_mut().unwrap();
        for cut in [
            "ParentContext",
            "InputParameters",
            "PreEntityImages",
            "PostEntityImages",
        ] {
            members.remove(cut);
        }
        let cut = ExecutionContext::read(document.to_string().as_bytes()).unwrap();
        let (cut_hint, hint) = (only_hint(&cut), only_hint(&context));
        assert_eq!((cut_hint.scope, cut_hint.kind), (hint.scope, hint.kind));
        assert!(cut_hint.fields.is_empty());
        assert_eq!(cut.identity(), context.identity());
    }
}
