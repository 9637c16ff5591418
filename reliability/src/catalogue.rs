//! Every scenario that there is.

use std::path::{Path, PathBuf};

use omnisync_testkit::sim::{Scenario, crm, orders};

use crate::error::Error;

/// The workspace that this program was built from.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// The family of scenarios of CRM sync.
pub(crate) const CRM: &str = "crm";

/// True for a scenario whose name begins with the name of the family and a hyphen.
pub(crate) fn is_of(scenario: &str, family: &str) -> bool {
    let rest = scenario.strip_prefix(family);
    rest.is_some_and(|rest| rest.starts_with('-'))
}

/// The scenarios, and what has to happen in some run of them.
pub(crate) struct Catalogue {
    scenarios: Vec<Box<dyn Scenario>>,
}

impl Catalogue {
    pub(crate) fn load() -> Self {
        let orders = orders::scenarios().into_iter();
        let orders = orders.map(|it| Box::new(it) as Box<dyn Scenario>);
        let crm = crm::scenarios().into_iter();
        let crm = crm.map(|it| Box::new(it) as Box<dyn Scenario>);
        Self {
            scenarios: orders.chain(crm).collect(),
        }
    }

    #[cfg(test)]
    pub(crate) fn of(scenario: impl Scenario + 'static) -> Self {
        Self {
            scenarios: vec![Box::new(scenario)],
        }
    }

    /// What a thorough tier has to see, of one family of scenarios or of all.
    pub(crate) fn marks(family: Option<&str>) -> Vec<&'static str> {
        match family {
            None => orders::MARKS.into_iter().chain(crm::MARKS).collect(),
            Some(CRM) => crm::MARKS.to_vec(),
            Some(_) => Vec::new(),
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

    /// The scenario of that name, or all of them: of one family, if one is named.
    pub(crate) fn select(
        &self,
        name: Option<&str>,
        family: Option<&str>,
    ) -> Result<Vec<&dyn Scenario>, Error> {
        if let Some(name) = name {
            return Ok(vec![self.find(name, None)?]);
        }
        let Some(family) = family else {
            return Ok(self.iter().collect());
        };
        let of_family = self.iter().filter(|one| is_of(one.name(), family));
        let of_family: Vec<_> = of_family.collect();
        if of_family.is_empty() {
            self.find(&format!("{family}-*"), None)?;
        }
        Ok(of_family)
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
