//! Where numbers lie on an axis, and which of them are written beside it.

/// More marks than these are too many.
const TICKS_MAX: u32 = 8;
/// Decades that a logarithmic axis may show.
const DECADES: std::ops::RangeInclusive<i32> = -9..=15;

/// An axis between two pixels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    least: f64,
    greatest: f64,
    from: f64,
    to: f64,
    log: bool,
    step: f64,
}

/// A number that is written beside an axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
}

impl Scale {
    /// From zero, or from further down where a value is, to a round number that no value exceeds.
    pub(super) fn linear(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (mut least, mut greatest) = (0.0_f64, 0.0_f64);
        for value in values.filter(|value| value.is_finite()) {
            (least, greatest) = (least.min(value), greatest.max(value));
        }
        if greatest <= least {
            greatest = least + 1.0;
        }
        let step = round_step((greatest - least) / f64::from(TICKS_MAX));
        Self {
            least: (least / step).floor() * step,
            greatest: (greatest / step).ceil() * step,
            from,
            to,
            log: false,
            step,
        }
    }

    /// From the least to the greatest value, with a little room beside.
    pub(super) fn log(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let mut range: Option<(f64, f64)> = None;
        for value in values.filter(|value| value.is_finite() && *value > 0.0) {
            let (least, greatest) = range.unwrap_or((value, value));
            range = Some((least.min(value), greatest.max(value)));
        }
        let (least, greatest) = range.unwrap_or((1.0, 10.0));
        let room = if least < greatest {
            (greatest / least).powf(0.03)
        } else {
            2.0
        };
        Self {
            least: least / room,
            greatest: greatest * room,
            from,
            to,
            log: true,
            step: 1.0,
        }
    }

    /// Whether the axis has a place for `value`.
    pub(super) fn shows(&self, value: f64) -> bool {
        value.is_finite() && (self.least..=self.greatest).contains(&value)
    }

    pub(super) fn position(&self, value: f64) -> f64 {
        let value = value.clamp(self.least, self.greatest);
        let part = if self.log {
            (value / self.least).ln() / (self.greatest / self.least).ln()
        } else {
            (value - self.least) / (self.greatest - self.least)
        };
        self.from + part * (self.to - self.from)
    }

    pub(super) fn ticks(&self) -> Vec<Tick> {
        let values = if self.log {
            self.decades()
        } else {
            (0..=2 * TICKS_MAX)
                .map(|index| self.least + f64::from(index) * self.step)
                .take_while(|value| *value <= self.greatest + self.step / 2.0)
                .collect()
        };
        let tick = |at| Tick {
            at,
            label: self.label(at),
        };
        values.into_iter().map(tick).collect()
    }

    /// Powers of ten; where these are few, twice and five times as much too.
    fn decades(&self) -> Vec<f64> {
        let shown = |factors: &[f64]| {
            let powers = DECADES.flat_map(|power| {
                let power = 10.0_f64.powi(power);
                factors.iter().map(move |factor| factor * power)
            });
            powers
                .filter(|value| self.shows(*value))
                .collect::<Vec<_>>()
        };
        let mut tens = shown(&[1.0]);
        if tens.len() < 3 {
            return shown(&[1.0, 2.0, 5.0]);
        }
        while tens.len() > 9 {
            let mut index = 0;
            tens.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
        tens
    }

    fn label(&self, value: f64) -> String {
        let size = if self.log { value } else { self.greatest };
        let (unit, name) = match size {
            size if size >= 9.999e8 => (1e9, "G"),
            size if size >= 9.999e5 => (1e6, "M"),
            size if size >= 9_999.0 || (self.log && size >= 999.9) => (1e3, "k"),
            _ => (1.0, ""),
        };
        let step = if self.log { value } else { self.step } / unit;
        let number = format!("{:.*}", decimals(step), value / unit);
        if value == 0.0 {
            "0".to_owned()
        } else {
            number + name
        }
    }
}

/// The next of 1, 2 and 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    let power = 10.0_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|factor| factor * power >= least * 0.999_999);
    factor.unwrap_or(10.0) * power
}

/// How many decimals tell multiples of `step` apart.
fn decimals(step: f64) -> usize {
    let mut scaled = step.abs();
    let mut decimals = 0;
    while decimals < 9 && (scaled - scaled.round()).abs() > 1e-6 * scaled {
        scaled *= 10.0;
        decimals += 1;
    }
    decimals
}
