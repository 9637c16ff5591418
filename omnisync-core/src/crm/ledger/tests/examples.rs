//! What follows from a few looks and writes, one case at a time.

mod answers;
mod creations;
mod first_looks;
mod kit;
mod overwritten;
mod refusals;
mod rules;
