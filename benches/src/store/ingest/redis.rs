//! Redis, over just enough of its protocol.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};

use super::super::input::Entry;
use super::producers::{self, Producer};
use super::stream::{self, Stream};
use super::{Ingested, check};
use crate::error::Error;

const WHO: &str = "redis";

struct Client {
    stream: BufStream<Box<dyn Stream>>,
}

/// What the server answered: a line, or a value.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Line(String),
    Value(Vec<u8>),
}

impl Client {
    async fn connect(address: &str) -> io::Result<Self> {
        let stream = BufStream::new(stream::connect(address).await?);
        Ok(Self { stream })
    }

    async fn ask(&mut self, words: &[&[u8]]) -> io::Result<Answer> {
        self.send(words).await?;
        self.answer().await
    }

    /// Asks for something that is answered by a list of values.
    async fn ask_list(&mut self, words: &[&[u8]]) -> io::Result<Vec<Vec<u8>>> {
        let Answer::Line(line) = self.ask(words).await? else {
            return Ok(Vec::new());
        };
        let length = line.strip_prefix('*').and_then(|text| text.parse().ok());
        let mut values = Vec::new();
        for _ in 0..length.unwrap_or(0) {
            if let Answer::Value(value) = self.answer().await? {
                values.push(value);
            }
        }
        Ok(values)
    }

    async fn send(&mut self, words: &[&[u8]]) -> io::Result<()> {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend(format!("${}\r\n", word.len()).into_bytes());
            request.extend(*word);
            request.extend(b"\r\n");
        }
        self.stream.write_all(&request).await?;
        self.stream.flush().await
    }

    async fn answer(&mut self) -> io::Result<Answer> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        let line = line.trim_end();
        match line.strip_prefix('$').map(str::parse) {
            Some(Ok(length)) => {
                let mut value = vec![0; length];
                self.stream.read_exact(&mut value).await?;
                self.stream.read_exact(&mut [0; 2]).await?;
                Ok(Answer::Value(value))
            }
            _ => Ok(Answer::Line(line.to_owned())),
        }
    }
}

impl Producer for Client {
    async fn put(&mut self, entry: &Entry) -> Result<(), Error> {
        let words: [&[u8]; 4] = [b"SET", entry.id.as_bytes(), entry.bytes(), b"NX"];
        match self.ask(&words).await.map_err(Error::store(WHO))? {
            Answer::Line(line) if line == "+OK" => Ok(()),
            other => Err(Error::Mismatch(format!("{WHO} answered {other:?}"))),
        }
    }
}

pub(super) async fn run(
    entries: &Arc<Vec<Entry>>,
    address: &str,
    producers: usize,
) -> Result<Ingested, Error> {
    let failed = Error::store(WHO);
    let mut clients = Vec::with_capacity(producers);
    for _ in 0..producers {
        clients.push(Client::connect(address).await.map_err(failed)?);
    }
    let mut reader = Client::connect(address).await.map_err(failed)?;
    for (setting, value) in [("appendonly", "yes"), ("appendfsync", "always")] {
        let words: [&[u8]; 3] = [b"CONFIG", b"GET", setting.as_bytes()];
        let found = reader.ask_list(&words).await.map_err(failed)?;
        if found.get(1).map(Vec::as_slice) != Some(value.as_bytes()) {
            let text = format!("{WHO} runs without {setting} {value}");
            return Err(Error::Mismatch(text));
        }
    }
    let ingested = producers::run(entries, clients).await?;
    let mut found = BTreeMap::new();
    for entry in entries.iter() {
        let words: [&[u8]; 2] = [b"GET", entry.id.as_bytes()];
        if let Answer::Value(value) = reader.ask(&words).await.map_err(failed)? {
            found.insert(entry.id.clone(), value);
        }
    }
    check(WHO, entries, found)?;
    match reader.ask(&[b"DBSIZE"]).await.map_err(failed)? {
        Answer::Line(line) if line == format!(":{}", entries.len()) => Ok(ingested),
        other => Err(Error::Mismatch(format!("{WHO} holds {other:?} keys"))),
    }
}
