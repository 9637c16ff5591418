//! As little HTTP as a self-test needs: a request a connection.

use std::error::Error;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Sends a request and gives back the body of an answer of 200 or 201.
pub(crate) async fn send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
    let rest = url
        .strip_prefix("http://")
        .ok_or("the URL is not of HTTP")?;
    let (host, target) = rest.split_once('/').ok_or("the URL has no path")?;
    let fields: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let head = format!(
        "{method} /{target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n\
         {}\r\n",
        body.len(),
        fields.concat(),
    );
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(&[head.as_bytes(), body].concat()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .ok_or("the answer has no end of head")?;
    let body = answer.split_off(end + 4);
    let head = String::from_utf8(answer)?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if matches!(status, "200" | "201") {
        Ok(body)
    } else {
        let body = String::from_utf8_lossy(&body).into_owned();
        Err(format!("{method} was answered with {status}: {body}").into())
    }
}

/// Runs an action and gives back its value.
pub(crate) async fn action(
    base: &str,
    token: &str,
    name: &str,
    body: &Value,
) -> Result<Value, Box<dyn Error + Send + Sync>> {
    let url = format!(
        "{base}/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.{name}"
    );
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let answer = send("POST", &url, &headers, body.to_string().as_bytes()).await?;
    let mut answer: Value = serde_json::from_slice(&answer)?;
    Ok(answer.get_mut("value").map(Value::take).unwrap_or_default())
}
