use std::fmt;
use std::panic::Location;

use omnisync_core::error::{ErrorKind, PortError};
use thiserror::Error;

/// A back end did not keep a clause.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{clause}: {message} ({location})")]
pub struct Violation {
    clause: &'static str,
    message: String,
    location: &'static Location<'static>,
}

impl Violation {
    /// A violation of `clause`.
    #[track_caller]
    pub fn new(clause: &'static str, message: impl Into<String>) -> Self {
        Self {
            clause,
            message: message.into(),
            location: Location::caller(),
        }
    }

    /// The clause, such as `state_store.c02`.
    pub const fn clause(&self) -> &'static str {
        self.clause
    }

    /// What was wrong.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// Asserts on behalf of one clause, without panicking.
///
/// ```
/// use omnisync_testkit::contract::Check;
///
/// let check = Check::of("state_store.c05");
/// assert!(check.that(1 + 1 == 2, "arithmetic holds").is_ok());
/// let violation = check.that(false, "tags differ").unwrap_err();
/// assert_eq!(violation.clause(), "state_store.c05");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Check {
    clause: &'static str,
}

impl Check {
    /// Asserts for `clause`, such as `state_store.c02`.
    pub const fn of(clause: &'static str) -> Self {
        Self { clause }
    }

    /// A violation of the clause.
    #[track_caller]
    pub fn violation(&self, message: impl Into<String>) -> Violation {
        Violation::new(self.clause, message)
    }

    /// `expectation` says what has to hold.
    ///
    /// # Errors
    /// When it does not.
    #[track_caller]
    pub fn that(&self, holds: bool, expectation: impl fmt::Display) -> Result<(), Violation> {
        if holds {
            Ok(())
        } else {
            Err(self.violation(format!("expected: {expectation}")))
        }
    }

    /// `got` has to equal `want`.
    ///
    /// # Errors
    /// When it does not.
    #[track_caller]
    pub fn equal<T: PartialEq + fmt::Debug>(
        &self,
        what: &str,
        got: &T,
        want: &T,
    ) -> Result<(), Violation> {
        if got == want {
            return Ok(());
        }
        Err(self.violation(format!("{what} is {got:?}, expected {want:?}")))
    }

    /// `doing` has to succeed.
    ///
    /// # Errors
    /// When it did not.
    #[track_caller]
    pub fn ok<T>(&self, doing: &str, result: Result<T, PortError>) -> Result<T, Violation> {
        match result {
            Ok(value) => Ok(value),
            Err(error) => Err(self.violation(format!("{doing} failed: {}", error.report()))),
        }
    }

    /// `what` has to be there.
    ///
    /// # Errors
    /// When it is not.
    #[track_caller]
    pub fn some<T>(&self, what: &str, value: Option<T>) -> Result<T, Violation> {
        match value {
            Some(value) => Ok(value),
            None => Err(self.violation(format!("{what} is missing"))),
        }
    }

    /// `doing` has to fail with one of `kinds`.
    ///
    /// # Errors
    /// When it succeeded or failed otherwise.
    #[track_caller]
    pub fn refused<T>(
        &self,
        doing: &str,
        result: Result<T, PortError>,
        kinds: &[ErrorKind],
    ) -> Result<(), Violation> {
        match result {
            Err(error) if kinds.contains(&error.kind()) => Ok(()),
            Err(error) => Err(self.violation(format!(
                "{doing} failed with {:?} ({}), expected {kinds:?}",
                error.kind(),
                error.report()
            ))),
            Ok(_) => Err(self.violation(format!("{doing} succeeded, expected {kinds:?}"))),
        }
    }
}
