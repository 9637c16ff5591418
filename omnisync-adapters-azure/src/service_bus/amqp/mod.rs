//! A small client of AMQP 1.0: connection, one session, links, CBS and management, on the codec of
//! `serde_amqp`. What sets it apart is that a settlement is answered.

mod connection;
mod endpoint;
mod engine;
mod error;
mod frame;
mod guard;
mod link;
mod message;
mod request;
mod sasl;
#[cfg(test)]
mod tests;

pub(super) use connection::{Connection, OpenRequest};
pub(super) use engine::Arrival;
pub(super) use error::{AmqpError, Condition};
pub(super) use link::{AttachRequest, Receiver, Sender, Settler};
pub(super) use message::{BATCH_FORMAT, Body, Message, PLAIN_FORMAT, annotation, id_text, name_of};
pub(super) use request::{
    Requester, Update, put_token, renew_lock, renew_session, symbol, update_disposition,
};
