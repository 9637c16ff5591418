//! A client without any cleverness: one request a connection, and nothing is followed or repeated.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// The connection ended before the body did.
    pub(crate) cut: bool,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// What an action gave back.
    pub(crate) fn value(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()["value"].clone()
    }

    /// The message inside a refusal.
    pub(crate) fn refusal(&self) -> String {
        let json = self.json();
        assert_eq!(json["error"]["message"], "An error has occurred.");
        json["error"]["innererror"]["message"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

/// Sends a request; `None` when the connection ended without an answer.
pub(crate) async fn send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Reply> {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, target) = rest.split_at(rest.find('/').unwrap());
    let fields: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n\
         {}\r\n",
        body.len(),
        fields.concat(),
    );
    let mut stream = TcpStream::connect(host).await.unwrap();
    // A server that cuts the connection may do so while it is written to.
    drop(stream.write_all(&[head.as_bytes(), body].concat()).await);
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes).await;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let body = bytes[end + 4..].to_vec();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut reply = Reply {
        status,
        head,
        body,
        cut: ended.is_err(),
    };
    let length = reply.header("content-length");
    reply.cut |= length.is_some_and(|length| length.parse::<usize>().unwrap() > reply.body.len());
    Some(reply)
}

/// A client of one server.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) base: String,
    pub(crate) token: String,
}

const ACTIONS: &str = "/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.";

impl Client {
    pub(crate) async fn try_action(&self, action: &str, body: Value) -> Option<Reply> {
        let url = format!("{}{ACTIONS}{action}", self.base);
        let bearer = format!("Bearer {}", self.token);
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        send("POST", &url, &headers, body.to_string().as_bytes()).await
    }

    pub(crate) async fn action(&self, action: &str, body: Value) -> Reply {
        self.try_action(action, body).await.unwrap()
    }

    pub(crate) async fn get(&self, target: &str) -> Reply {
        let url = format!("{}{target}", self.base);
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str())];
        send("GET", &url, &headers, b"").await.unwrap()
    }

    pub(crate) async fn write_url(&self, name: &str) -> String {
        let reply = self.action("GetAzureWriteUrl", json!({"uniqueFileName": name}));
        let value = reply.await.value();
        let inner: Value = serde_json::from_str(value.as_str().unwrap()).unwrap();
        assert!(inner["BlobId"].as_str().unwrap().starts_with('{'));
        inner["BlobUrl"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn upload(&self, name: &str, package: &[u8]) -> String {
        let url = self.write_url(name).await;
        let headers = [("x-ms-blob-type", "BlockBlob")];
        let reply = send("PUT", &url, &headers, package).await.unwrap();
        assert_eq!(reply.status, 201, "{}", reply.text());
        url
    }

    /// Uploads a package and submits it to the project `Orders`.
    pub(crate) async fn submit(&self, id: &str, package: &[u8]) -> Reply {
        let url = self.upload(&format!("{id}.zip"), package).await;
        self.action("ImportFromPackage", submission(id, &url)).await
    }

    pub(crate) async fn status(&self, id: &str) -> Reply {
        let body = json!({"executionId": id});
        self.action("GetExecutionSummaryStatus", body).await
    }

    /// Imports a package and tells the last word.
    pub(crate) async fn import(&self, id: &str, package: &[u8]) -> String {
        let reply = self.submit(id, package).await;
        assert_eq!(reply.value(), id);
        loop {
            let word = self.status(id).await.value();
            let word = word.as_str().unwrap();
            if !matches!(word, "NotRun" | "Executing") {
                return word.to_owned();
            }
        }
    }

    /// The list inside the string.
    pub(crate) async fn errors(&self, id: &str) -> Vec<(String, String)> {
        let reply = self.action("GetExecutionErrors", json!({"executionId": id}));
        let value = reply.await.value();
        let list: Value = serde_json::from_str(value.as_str().unwrap()).unwrap();
        let of = |error: &Value, name: &str| error[name].as_str().unwrap().to_owned();
        let list = list.as_array().unwrap().iter();
        list.map(|error| (of(error, "RecordId"), of(error, "ErrorMessage")))
            .collect()
    }

    /// An action about an entity of an execution.
    pub(crate) async fn of_entity(&self, action: &str, id: &str, entity: &str) -> Reply {
        let body = json!({"executionId": id, "entityName": entity});
        self.action(action, body).await
    }
}

/// The body of a submission.
pub(crate) fn submission(id: &str, url: &str) -> Value {
    json!({
        "packageUrl": url,
        "definitionGroupId": "Orders",
        "executionId": id,
        "execute": true,
        "overwrite": true,
        "legalEntityId": "USMF",
    })
}
