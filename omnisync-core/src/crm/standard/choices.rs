//! The lists of choices, with the numbers that Dataverse has for them.

/// Categories of products.
pub const CATEGORIES: [(i64, &str); 8] = [
    (50, "Audio"),
    (51, "TV and Video"),
    (52, "Computers"),
    (53, "Cameras and camcorders"),
    (54, "Cell phones"),
    (55, "Music, Movies and Audio Books"),
    (56, "Games and Toys"),
    (57, "Home Appliances"),
];

/// Classes of products.
pub const CLASSES: [(i64, &str); 3] = [(1, "Economy"), (2, "Regular"), (3, "Deluxe")];

/// Colours of products.
pub const COLORS: [(i64, &str); 16] = [
    (1, "Azure"),
    (2, "Black"),
    (3, "Blue"),
    (4, "Brown"),
    (5, "Purple"),
    (6, "Red"),
    (7, "Silver"),
    (8, "White"),
    (9, "Orange"),
    (10, "Pink"),
    (11, "Grey"),
    (12, "Silver Grey"),
    (13, "Yellow"),
    (14, "Green"),
    (15, "Gold"),
    (16, "Transparent"),
];

/// Units of length.
pub const SIZE_UNITS: [(i64, &str); 6] = [
    (1, "meters"),
    (2, "centimeters"),
    (3, "millimeters"),
    (4, "feet"),
    (5, "inches"),
    (6, "yards"),
];

/// Units of mass.
pub const WEIGHT_UNITS: [(i64, &str); 5] = [
    (1, "kilograms"),
    (2, "grams"),
    (3, "milligrams"),
    (4, "ounces"),
    (5, "pounds"),
];

/// Kinds of stores.
pub const STORE_TYPES: [(i64, &str); 4] =
    [(1, "Store"), (2, "Catalog"), (3, "Online"), (4, "Reseller")];

/// The canonical names of a list.
pub(super) fn names<const N: usize>(list: [(i64, &str); N]) -> Vec<String> {
    list.iter().map(|(_, name)| (*name).to_owned()).collect()
}
