//! Plots as SVG: what was measured, in a picture that a browser shows in light and in dark. The same
//! numbers make the same bytes, so that a picture in a repository changes only with its numbers.

mod bars;
mod canvas;
mod curve;
mod scale;
#[cfg(test)]
mod tests;

pub use bars::{Bar, Bars};
pub use curve::{Axis, Curve, Series};

/// A number with as many decimals as tell something.
fn figure(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    match value.abs() {
        size if size < 9.995 => format!("{value:.2}"),
        size if size < 99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
