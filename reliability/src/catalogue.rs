//! Every scenario that there is.

use std::path::{Path, PathBuf};

use omnisync_testkit::sim::{Scenario, orders};

use crate::error::Error;

/// The workspace that this program was built from.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// The scenarios, and what has to happen in some run of them.
pub(crate) struct Catalogue {
    scenarios: Vec<Box<dyn Scenario>>,
    /// What a thorough tier has to see.
    pub(crate) marks: Vec<&'static str>,
}

impl Catalogue {
    pub(crate) fn load() -> Self {
        let orders = orders::scenarios().into_iter();
        Self {
            scenarios: orders.map(|it| Box::new(it) as Box<dyn Scenario>).collect(),
            marks: orders::MARKS.to_vec(),
        }
    }

    #[cfg(test)]
    pub(crate) fn of(scenario: impl Scenario + 'static) -> Self {
        Self {
            scenarios: vec![Box::new(scenario)],
            marks: Vec::new(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &dyn Scenario> {
        self.scenarios.iter().map(AsRef::as_ref)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.iter().map(|it| it.name().to_owned()).collect()
    }

    /// The scenario of that name, as the file says that asks for it.
    pub(crate) fn find(&self, name: &str, file: Option<&Path>) -> Result<&dyn Scenario, Error> {
        let found = self.iter().find(|scenario| scenario.name() == name);
        found.ok_or_else(|| Error::NoScenario {
            name: name.to_owned(),
            file: file.map(Path::to_owned),
            known: self.names(),
        })
    }

    /// The scenario of that name, or all of them.
    pub(crate) fn select(&self, name: Option<&str>) -> Result<Vec<&dyn Scenario>, Error> {
        match name {
            Some(name) => Ok(vec![self.find(name, None)?]),
            None => Ok(self.iter().collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_scenario_is_refused_with_those_that_are_known() {
        let catalogue = Catalogue::load();
        let error = catalogue.find("pear", Some(Path::new("a.tape"))).err();
        let text = error.unwrap().to_string();
        assert!(
            text.starts_with("there is no scenario `pear`, which a.tape wants; there are "),
            "{text}"
        );
        assert!(text.contains(", pair, "), "{text}");
    }

    #[test]
    fn the_workspace_is_where_its_manifest_is() {
        assert!(root().join("Cargo.lock").is_file());
    }
}
