//! What made-up people write.

use omnisync_core::crm::Value;
use omnisync_core::crm::standard::COLORS;
use omnisync_testkit::rng::SplitMix64;
use rust_decimal::Decimal;

const FIRST: [&str; 10] = [
    "Alpen",
    "Blaue",
    "Curaçao",
    "Dürrenmatt",
    "Étoile",
    "Fjord",
    "Grüne",
    "Łódź",
    "Núñez",
    "Öster",
];
const SECOND: [&str; 8] = [
    "Handel",
    "Werke",
    "Kontor",
    "Logistik und Lagerhaus",
    "Traders",
    "Feinkost",
    "Mühle",
    "& Söhne",
];
const FORMS: [&str; 4] = ["AG", "GmbH", "SA", "Genossenschaft"];
const STREETS: [&str; 6] = [
    "Bahnhofstrasse",
    "Rue de  la Gare",
    "Marktgasse",
    "Via Nassa",
    "Seeweg",
    "Freie Strasse",
];
const CITIES: [&str; 7] = [
    "Basel",
    "Bern",
    "Genève",
    "Lugano",
    "Zürich",
    "Chur",
    "Delémont",
];
const NOTES: [&str; 6] = [
    "calls back in spring",
    "wants invoices by post",
    "moved from a competitor",
    "pays late but pays",
    "asks for samples",
    "prefers mornings",
];

fn one(rng: &mut SplitMix64, words: &[&'static str]) -> &'static str {
    rng.pick(words).copied().unwrap_or_default()
}

pub(crate) fn name(rng: &mut SplitMix64) -> String {
    let number = rng.below(1_000);
    let (first, second, form) = (one(rng, &FIRST), one(rng, &SECOND), one(rng, &FORMS));
    format!("{first} {second} {number} {form}")
}

pub(crate) fn sentence(rng: &mut SplitMix64) -> String {
    format!("{} ({})", one(rng, &NOTES), rng.below(10_000))
}

pub(crate) fn street(rng: &mut SplitMix64) -> String {
    format!("{} {}", one(rng, &STREETS), rng.below(200) + 1)
}

pub(crate) fn city(rng: &mut SplitMix64) -> String {
    one(rng, &CITIES).to_owned()
}

pub(crate) fn postal_code(rng: &mut SplitMix64) -> String {
    format!("{:04}", rng.below(9_000) + 1_000)
}

pub(crate) fn phone(rng: &mut SplitMix64) -> String {
    format!(
        "+41 61 {:03} {:02} {:02}",
        rng.below(1_000),
        rng.below(100),
        rng.below(100)
    )
}

pub(crate) fn email(rng: &mut SplitMix64) -> String {
    format!("Office.{}@Example.com", rng.below(100_000))
}

pub(crate) fn website(rng: &mut SplitMix64) -> String {
    format!("https://www.example.com/{}", rng.below(100_000))
}

pub(crate) fn count(rng: &mut SplitMix64) -> Value {
    Value::Integer(i64::from(rng.below(5_000)))
}

/// An amount with so many digits behind the point.
pub(crate) fn amount(rng: &mut SplitMix64, scale: u32) -> Value {
    Value::Decimal(Decimal::new(i64::from(rng.below(10_000_000)), scale))
}

pub(crate) fn color(rng: &mut SplitMix64) -> Value {
    let color = rng.pick(&COLORS).map_or("Black", |(_, name)| *name);
    Value::Choice(color.into())
}
