//! Answers in the service's shapes.

use bytes::Bytes;
use serde_json::{Value, json};

/// An answer, before it is sent or spoiled.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            body: body.into(),
        }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let content_type = "application/json; charset=utf-8";
        Self::new(status, content_type, body.to_string())
    }

    pub(crate) fn odata(status: u16, body: &Value) -> Self {
        let content_type = "application/json; odata.metadata=minimal; odata.streaming=true";
        Self::new(status, content_type, body.to_string()).with("odata-version", "4.0")
    }

    /// What an action gives back.
    pub(crate) fn value(base: &str, kind: &str, value: &Value) -> Self {
        let context = format!("{base}/data/$metadata#{kind}");
        Self::odata(200, &json!({"@odata.context": context, "value": value}))
    }

    /// A refusal of the service, with the message inside.
    pub(crate) fn odata_error(status: u16, message: &str) -> Self {
        Self::odata(
            status,
            &json!({"error": {
                "code": "",
                "message": "An error has occurred.",
                "innererror": {
                    "message": message,
                    "type": "Microsoft.Dynamics.Platform.Integration.Services.OData.ODataErrorException",
                    "stacktrace": "   at Microsoft.Dynamics.Platform.Integration.Services.OData.Action.Invoke()",
                },
            }}),
        )
    }

    /// A refusal of an action.
    pub(crate) fn action_error(status: u16, action: &str, message: &str) -> Self {
        let message = format!(
            "Exception occurred while executing action {action} on Entity \
             DataManagementDefinitionGroup: {message}"
        );
        Self::odata_error(status, &message)
    }

    pub(crate) fn html(status: u16, title: &str) -> Self {
        let page = format!(
            "<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
        );
        Self::new(status, "text/html; charset=utf-8", page)
    }

    pub(crate) fn redirect(location: &str) -> Self {
        Self::html(302, "Object moved").with("location", location)
    }
}
