use std::sync::Arc;

use async_trait::async_trait;
use azure_core::Bytes;
use azure_core::error::ErrorKind as AzureErrorKind;
use azure_core::http::headers::{HeaderName as AzureName, HeaderValue as AzureValue, Headers};
use azure_core::http::{
    AsyncRawResponse, Body, ClientOptions, HttpClient, Method as AzureMethod,
    Request as AzureRequest, RetryOptions, Transport,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::call::Call;
use crate::client::Client;
use crate::transport::{Request, Response};

const OPERATION: &str = "azure_core.send";

/// Carries requests of clients of the Azure SDK by a [`Client`]: with its transport, throttle,
/// budget and repetitions.
///
/// Such a client brings its own tokens, so the [`Client`] needs none. Requests that may have had
/// an effect are repeated only when they read. Answers of any status reach the SDK as they are;
/// what has no answer is an error with the [`HttpError`](crate::HttpError) as its source.
///
/// ```
/// use azure_core::http::ClientOptions;
/// use omnisync_http::{AzureTransport, Client};
///
/// fn options(client: Client) -> ClientOptions {
///     AzureTransport::new(client).into_options()
/// }
/// ```
#[derive(Debug, Clone)]
pub struct AzureTransport {
    client: Client,
}

impl AzureTransport {
    /// Sends by `client`.
    pub const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Options for a client of the SDK that sends by this alone and repeats nothing itself.
    pub fn into_options(self) -> ClientOptions {
        ClientOptions {
            transport: Some(Transport::new(Arc::new(self))),
            retry: RetryOptions::none(),
            ..ClientOptions::default()
        }
    }
}

#[async_trait]
impl HttpClient for AzureTransport {
    async fn execute_request(
        &self,
        request: &AzureRequest,
    ) -> azure_core::Result<AsyncRawResponse> {
        let call = Call::new(OPERATION, translated(request)?).without_token();
        let error = match self.client.send(call).await {
            Ok(response) => return Ok(answer(&response)),
            Err(error) => error,
        };
        if let Some(response) = error.response() {
            return Ok(answer(response));
        }
        let kind = if error.is_effect_open() {
            AzureErrorKind::Io
        } else {
            AzureErrorKind::Connection
        };
        Err(azure_core::Error::new(kind, error))
    }
}

fn translated(from: &AzureRequest) -> azure_core::Result<Request> {
    let wrong =
        |what: &'static str| azure_core::Error::with_message(AzureErrorKind::DataConversion, what);
    let Body::Bytes(body) = from.body() else {
        return Err(wrong(
            "a stream cannot be sent again; give the body as bytes",
        ));
    };
    let mut request = Request::new(body.clone());
    *request.method_mut() = match from.method() {
        AzureMethod::Delete => Method::DELETE,
        AzureMethod::Get => Method::GET,
        AzureMethod::Head => Method::HEAD,
        AzureMethod::Patch => Method::PATCH,
        AzureMethod::Post => Method::POST,
        AzureMethod::Put => Method::PUT,
        _ => return Err(wrong("the method is not known")),
    };
    *request.uri_mut() = from
        .url()
        .as_str()
        .parse()
        .map_err(|_| wrong("the URL cannot be asked"))?;
    for (name, value) in from.headers().iter() {
        let name = HeaderName::try_from(name.as_str());
        let value = HeaderValue::try_from(value.as_str());
        let (Ok(name), Ok(mut value)) = (name, value) else {
            return Err(wrong("a header cannot be sent"));
        };
        if name == http::header::AUTHORIZATION {
            value.set_sensitive(true);
        }
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}

fn answer(from: &Response) -> AsyncRawResponse {
    let body: Bytes = from.body().clone();
    AsyncRawResponse::from_bytes(from.status().as_u16().into(), headers(from.headers()), body)
}

/// Headers of text; others say nothing to the SDK.
fn headers(from: &HeaderMap) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in from {
        if let Ok(value) = value.to_str() {
            let name = AzureName::from(name.as_str().to_owned());
            headers.insert(name, AzureValue::from(value.to_owned()));
        }
    }
    headers
}
