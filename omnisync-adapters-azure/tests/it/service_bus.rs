//! Service Bus against the loopback broker, by AMQP and by HTTPS.

mod connection;
mod contract;
mod hold;
mod receiving;
mod refusals;
mod rest;
mod retry;
mod sending;
mod sessions;
mod settlement;
mod support;
