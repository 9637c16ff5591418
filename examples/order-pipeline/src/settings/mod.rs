//! Files of settings.

mod credentials;
mod file;

pub(crate) use credentials::Credentials;
pub(crate) use file::read;
#[cfg(test)]
pub(crate) use file::tests::parsed;
