//! The writer thread: one connection, one transaction for everything that waits.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use omnisync_core::port::{Action, Content, DocumentKey, Expect, Write, WriteResult, Written};
use omnisync_core::{ErrorKind, PortError};
use rusqlite::{Connection, ToSql, Transaction, TransactionBehavior, params};
use tokio::sync::mpsc;

use super::answer::{self, Answer, Done, Reply};
use super::body::Packed;
use super::error::StoreError;
use super::turn::{self, Turnstile};
use super::wire;

const OPERATION: &str = "state_store.write";

const INSERT: &str = "INSERT INTO documents \
    (collection, id, state, due_at, expires_at, etag, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
    ON CONFLICT (collection, id) DO NOTHING";

const UPDATE: &str = "UPDATE documents \
    SET state = ?3, due_at = ?4, expires_at = ?5, etag = ?6, body = ?7 \
    WHERE collection = ?1 AND id = ?2 AND etag = ?8";

const UPSERT: &str = "INSERT INTO documents \
    (collection, id, state, due_at, expires_at, etag, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
    ON CONFLICT (collection, id) DO UPDATE SET state = excluded.state, due_at = excluded.due_at, \
    expires_at = excluded.expires_at, etag = excluded.etag, body = excluded.body";

const DELETE: &str = "DELETE FROM documents WHERE collection = ?1 AND id = ?2";

const DELETE_TAG: &str = "DELETE FROM documents WHERE collection = ?1 AND id = ?2 AND etag = ?3";

const EXISTS: &str = "SELECT EXISTS (SELECT 1 FROM documents WHERE collection = ?1 AND id = ?2)";

const RESERVE: &str = "UPDATE meta SET value = value + ?1 WHERE name = 'etag' RETURNING value";

const PURGE: &str = "DELETE FROM documents WHERE (collection, id) IN \
    (SELECT collection, id FROM documents WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";

/// Tags that a process sets aside for itself at once, so that most commits leave the page alone
/// that counts them.
const TAGS_RESERVED: i64 = 10_000;

/// How often the writer looks for callers that may still come, without any coming.
const LOOKS_MAX: u32 = 32;

/// What the writer is asked for, and where its answer goes.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) job: Job,
    pub(super) reply: Reply,
}

/// What the writer is asked for.
#[derive(Debug)]
pub(super) enum Job {
    /// Conditional writes.
    Write(Vec<Item>),
    /// Removal of up to `items_max` documents that expired at or before `before`.
    Purge { before: i64, items_max: i64 },
}

/// A write and its body as the database keeps it, where that is not text.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) write: Write,
    pub(super) packed: Option<Packed>,
}

impl Item {
    /// Bodies of at least `compress_bytes_min` are compressed, if that makes them smaller.
    pub(super) fn new(write: Write, compress_bytes_min: usize) -> Self {
        let packed = match &write.action {
            Action::Put(content) if content.body.get().len() >= compress_bytes_min => {
                Packed::new(content.body.get())
            }
            Action::Put(_) | Action::Delete => None,
        };
        Self { write, packed }
    }
}

impl Command {
    fn items(&self) -> usize {
        match &self.job {
            Job::Write(writes) => writes.len(),
            Job::Purge { items_max, .. } => usize::try_from(*items_max).unwrap_or(usize::MAX),
        }
    }
}

/// Owner of the one writing connection of this process.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) turnstile: Turnstile,
    pub(super) path: PathBuf,
    pub(super) busy_timeout: Duration,
    pub(super) group_items_max: usize,
    pub(super) body_bytes_max: usize,
    pub(super) commits: Arc<AtomicU64>,
    /// Tags that this process may give. A later tag is not always a greater one: other processes
    /// have set aside others.
    pub(super) tags: Range<i64>,
}

impl Writer {
    /// Works until every sender is gone and the queue is empty.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        // Without the handler SQLite's own timeout goes on working, only less fairly.
        if let Err(error) = self
            .connection
            .busy_handler(Some(turn::on_busy as fn(i32) -> bool))
        {
            tracing::warn!(%error, "the state store waits with the engine's own busy handler");
        }
        let mut expected = 0;
        while let Some(first) = queue.blocking_recv() {
            let group = self.gather(first, expected, &mut queue);
            expected = group.len();
            let (jobs, replies): (Vec<Job>, Vec<Reply>) = group
                .into_iter()
                .filter(|command| !command.reply.is_abandoned())
                .map(|command| (command.job, command.reply))
                .unzip();
            if jobs.is_empty() {
                continue;
            }
            let answers: Vec<Answer> = match self.commit(&jobs) {
                Ok(done) => done.into_iter().map(Ok).collect(),
                Err(error) => {
                    tracing::warn!(%error, commands = jobs.len(), "a group commit failed");
                    let failed = |_| Err(error.port(OPERATION, &self.path));
                    jobs.iter().map(failed).collect()
                }
            };
            answer::give_all(replies.into_iter().zip(answers).collect());
            // What was written is freed while the callers prepare what comes next.
            drop(jobs);
        }
    }

    /// Takes what already waits, up to the limit of a group. Callers that were answered together
    /// mostly come back together: as long as fewer are here than last time, and somebody comes
    /// now and then, a commit waits for the others.
    fn gather(
        &self,
        first: Command,
        expected: usize,
        queue: &mut mpsc::Receiver<Command>,
    ) -> Vec<Command> {
        let mut items = first.items();
        let mut group = vec![first];
        let mut looks = 0;
        while items < self.group_items_max {
            match queue.try_recv() {
                Ok(command) => {
                    items = items.saturating_add(command.items());
                    group.push(command);
                    looks = 0;
                }
                Err(_) if group.len() < expected && looks < LOOKS_MAX => {
                    looks += 1;
                    thread::yield_now();
                }
                Err(_) => break,
            }
        }
        group
    }

    fn commit(&mut self, group: &[Job]) -> Result<Vec<Done>, StoreError> {
        turn::grant(self.busy_timeout);
        let turn = self.turnstile.enter()?;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        drop(turn);
        let mut step = Step {
            transaction: &transaction,
            // A transaction that fails may have been stored all the same: its tags are not given
            // again.
            tags: std::mem::take(&mut self.tags),
            body_bytes_max: self.body_bytes_max,
        };
        let mut answers = Vec::with_capacity(group.len());
        for job in group {
            answers.push(match job {
                Job::Write(writes) => Done::Written(
                    writes
                        .iter()
                        .map(|item| step.apply(item))
                        .collect::<Result<_, _>>()?,
                ),
                Job::Purge { before, items_max } => Done::Purged(
                    transaction
                        .prepare_cached(PURGE)?
                        .execute(params![before, items_max])?,
                ),
            });
        }
        let tags = step.tags;
        transaction.commit()?;
        self.tags = tags;
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(answers)
    }
}

/// One transaction in progress.
struct Step<'a> {
    transaction: &'a Transaction<'a>,
    /// Tags count through the whole store, so that none returns after a delete.
    tags: Range<i64>,
    body_bytes_max: usize,
}

impl Step<'_> {
    /// The outer error ends the transaction; the inner one is the fate of this item alone.
    fn apply(&mut self, item: &Item) -> Result<WriteResult, StoreError> {
        let Item { write, packed } = item;
        match &write.action {
            Action::Put(content) => self.put(&write.key, &write.expect, content, packed.as_ref()),
            Action::Delete => self.delete(&write.key, &write.expect),
        }
    }

    fn put(
        &mut self,
        key: &DocumentKey,
        expect: &Expect,
        content: &Content,
        packed: Option<&Packed>,
    ) -> Result<WriteResult, StoreError> {
        let text = content.body.get();
        if text.len() > self.body_bytes_max {
            return Ok(Err(self.too_large(key, text.len())));
        }
        let body: &dyn ToSql = match packed {
            Some(packed) => packed,
            None => &text,
        };
        let sql = match expect {
            Expect::Absent => INSERT,
            Expect::Tag(_) => UPDATE,
            Expect::Any => UPSERT,
        };
        let number = self.tag()?;
        let due_at = content.due_at.map(wire::micros);
        let expires_at = content.expires_at.map(wire::micros);
        let collection = key.collection.as_str();
        let mut statement = self.transaction.prepare_cached(sql)?;
        let changed = match expect {
            Expect::Absent | Expect::Any => statement.execute(params![
                collection,
                key.id,
                content.state,
                due_at,
                expires_at,
                number,
                body
            ])?,
            Expect::Tag(tag) => match wire::tag_number(tag) {
                None => 0,
                Some(expected) => statement.execute(params![
                    collection,
                    key.id,
                    content.state,
                    due_at,
                    expires_at,
                    number,
                    body,
                    expected
                ])?,
            },
        };
        if changed == 0 {
            return Ok(Err(refusal(key, expect)));
        }
        self.tags.start = number.saturating_add(1);
        Ok(Ok(Written::Put(wire::tag(number)?)))
    }

    /// The next tag, which is given once something is written with it.
    fn tag(&mut self) -> Result<i64, StoreError> {
        if self.tags.is_empty() {
            let last: i64 = self
                .transaction
                .prepare_cached(RESERVE)?
                .query_row([TAGS_RESERVED], |row| row.get(0))?;
            let end = last.saturating_add(1);
            self.tags = end.saturating_sub(TAGS_RESERVED)..end;
        }
        Ok(self.tags.start)
    }

    fn delete(&self, key: &DocumentKey, expect: &Expect) -> Result<WriteResult, StoreError> {
        let collection = key.collection.as_str();
        let is_done = match expect {
            Expect::Any => {
                self.transaction
                    .prepare_cached(DELETE)?
                    .execute(params![collection, key.id])?;
                true
            }
            Expect::Absent => !self
                .transaction
                .prepare_cached(EXISTS)?
                .query_row(params![collection, key.id], |row| row.get::<_, bool>(0))?,
            Expect::Tag(tag) => match wire::tag_number(tag) {
                None => false,
                Some(expected) => {
                    let mut statement = self.transaction.prepare_cached(DELETE_TAG)?;
                    statement.execute(params![collection, key.id, expected])? > 0
                }
            },
        };
        Ok(if is_done {
            Ok(Written::Deleted)
        } else {
            Err(refusal(key, expect))
        })
    }

    fn too_large(&self, key: &DocumentKey, bytes: usize) -> PortError {
        PortError::new(ErrorKind::TooLarge, OPERATION).with_detail(format!(
            "the body of {key} has {bytes} bytes, body_bytes_max is {}",
            self.body_bytes_max
        ))
    }
}

fn refusal(key: &DocumentKey, expect: &Expect) -> PortError {
    let kind = match expect {
        Expect::Absent => ErrorKind::AlreadyExists,
        Expect::Tag(_) | Expect::Any => ErrorKind::Conflict,
    };
    PortError::new(kind, OPERATION).with_detail(key.to_string())
}
